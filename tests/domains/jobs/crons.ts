import postgres from "postgres";
import type { House } from "./house.js";

/** A cron as a node has declared it, which no node has seen to since. */
export async function declareCron(
  { backstay }: Pick<House, "backstay">,
  cron: { id: string; [column: string]: unknown },
): Promise<void> {
  const sql = postgres(backstay.databaseUrl, { max: 1, onnotice: () => {} });
  const row = {
    expression: "0 3 * * *",
    time_zone: "Europe/Berlin",
    job_name: "app.mail",
    args: { to: "ben" },
    queue: null,
    missed: "one",
    next_at: "2100-01-01T02:00:00Z",
    last_at: null,
    last_job_id: null,
    seen_at: new Date(),
    ...cron,
  };
  await sql`insert into backstay.crons ${sql(row as never)}`.finally(() => sql.end());
}
