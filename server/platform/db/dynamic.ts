import { type SQL, sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import type { Db } from "./db.js";
import type { Parameters } from "./statement.js";

const dialect = new PgDialect();

/**
 * Runs SQL that was put together for this call, with its values as parameters. Such texts have no end, so none is kept:
 * neither by us nor by the connection. It costs a round trip more than a `statement()`.
 */
export function runSql<Row>(ctx: { readonly db: Db }, query: SQL): Promise<Row[]> {
  const { sql: text, params } = dialect.sqlToQuery(query);
  return ctx.db.run<Row>(text, params, "once");
}

/** Values as pieces of SQL, so that one builder serves `statement()` and `runSql`. */
export function parametersOf<Input extends object>(input: Input): Parameters<Input> {
  const pieces = Object.entries(input).map(([name, value]) => [name, sql`${sql.param(value ?? null)}`]);
  return Object.fromEntries(pieces) as Parameters<Input>;
}
