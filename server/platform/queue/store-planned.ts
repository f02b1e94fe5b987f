import { type SQL, sql } from "drizzle-orm";
import { type Parameters, type Statement, statement } from "../db/statement.js";

/**
 * A prepared statement that PostgreSQL plans anew each time, for the table as it is. A table of jobs is next to empty in one
 * second and has a hundred thousand rows in the next; a plan that was made for the one, and kept, reads all of the other. That
 * a plan for any value costs more than one for this value is how PostgreSQL is told: for `now`, which is true, it must expect
 * a million rows where there is one. `build` puts `now` among the conditions.
 */
export function plannedAnew<Input extends object, Row>(
  build: (input: Parameters<Input>, now: SQL) => SQL,
): Statement<Input, Row> {
  const planned = statement<Input & { one: number }, Row>((p) => {
    const rows = sql`generate_series(1, ${(p as Parameters<{ one: number }>).one}::int)`;
    return build(p, sql`(select count(*) from ${rows} as a cross join ${rows} as b) = 1`);
  });
  return (ctx, input) => planned(ctx, { ...input, one: 1 });
}
