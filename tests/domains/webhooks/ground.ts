import postgres from "postgres";
import { inject, onTestFinished } from "vitest";
import { createDatabaseOn } from "../../support/postgres.js";

/** What webhooks go through and are kept in, of one test. */
export interface Ground {
  readonly url: string;
  readonly sql: postgres.Sql;
  /** Has something happen, in some topics at once: writes it to the outbox. Answers the events' ids. */
  happen(count: number, event?: { type?: string; topics?: string[] }): Promise<string[]>;
  /** The jobs that were made for a webhook, in the log's order. */
  jobsOf(webhook: string): Promise<{ event: string; offset: number }[]>;
}

/** A database of its own, gone after the test. */
export async function prepareGround(): Promise<Ground> {
  const { url, drop } = await createDatabaseOn(inject("postgres18"), inject("template"));
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  onTestFinished(async () => {
    await sql.end({ timeout: 1 });
    await drop();
  });
  return {
    url,
    sql,
    async happen(count, { type = "chat.line", topics = ["room/7"] } = {}) {
      const rows = await sql<{ id: string }[]>`
        insert into backstay.outbox (id, topics, type, data, created_at)
        select gen_random_uuid(), ${topics}::text[], ${type}, jsonb_build_object('n', n), now()
        from generate_series(1, ${count}) as n returning replace(id::text, '-', '') as id`;
      return rows.map(({ id }) => id);
    },
    async jobsOf(webhook) {
      const rows = await sql<{ args: { event: string; offset: number } }[]>`
        select args from backstay.jobs where name = 'backstay.webhooks.deliver' and args ->> 'webhook' = ${webhook}
        order by (args ->> 'offset')::bigint, seq`;
      return rows.map(({ args }) => args);
    },
  };
}
