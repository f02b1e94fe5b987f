import { type SQL, sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import type { Db } from "./db.js";

/** One statement, its SQL built once and prepared on every connection that meets it. */
export type Statement<Input extends object, Row> = (ctx: { readonly db: Db }, input: Input) => Promise<Row[]>;

/** The parameters of a statement, as pieces of its SQL. */
export type Parameters<Input extends object> = { readonly [Name in keyof Input]-?: SQL };

const dialect = new PgDialect();

/**
 * Compiles a statement when its module is loaded. `build` gets one SQL piece for each property of the input, however often
 * it is used; absent (undefined) is NULL. Rows come with camelCase names, ids as 32 hex digits, bigint as BigInt.
 */
export function statement<Input extends object, Row>(build: (input: Parameters<Input>) => SQL): Statement<Input, Row> {
  const names: string[] = [];
  const pieces = new Proxy({} as Parameters<Input>, {
    get: (_, name) => sql`${sql.placeholder(String(name))}`,
  });
  const compiled = dialect.sqlToQuery(build(pieces));
  const text = compiled.sql.replace(/\$(\d+)/g, (_, number: string) => {
    const parameter = compiled.params[Number(number) - 1];
    const name = (parameter as { name?: unknown } | undefined)?.name;
    if (typeof name !== "string") throw new Error("a statement takes its values from its input, not from its SQL");
    let position = names.indexOf(name);
    if (position === -1) position = names.push(name) - 1;
    return `$${position + 1}`;
  });
  return (ctx, input) => {
    const values = new Array<unknown>(names.length);
    for (let i = 0; i < names.length; i++) values[i] = (input as Record<string, unknown>)[names[i]!] ?? null;
    return ctx.db.run<Row>(text, values);
  };
}
