import postgres from "postgres";
import type { SettingName } from "../../../server/config.js";
import { declaredCounters } from "../../../server/kernel/counters.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { testClock } from "../support.js";
import { PUBLIC_TYPES } from "./model.js";
import { type Actor, makeActor } from "./model-client.js";

/** A server whose accounts do as they like, its clock, and its database. */
export interface ModelHouse {
  readonly url: string;
  readonly sql: postgres.Sql;
  readonly clock: ReturnType<typeof testClock>;
  /** Accounts that nobody has done anything with. */
  newActors(count: number): Promise<Actor[]>;
  stop(): Promise<void>;
}

/** Starts a server on which the counters of some types are shown to all. */
export async function openModelHouse(settings: Partial<Record<SettingName, string>> = {}): Promise<ModelHouse> {
  const clock = testClock();
  const counters = declaredCounters();
  for (const type of PUBLIC_TYPES) for (const side of ["0", "1"]) counters.declare(type + side, { public: true });
  counters.declare("msg_count", { public: true });
  const own = { "auth.anonymous": "on", "events.retention_per_topic": "1000000", ...settings };
  const backstay: TestBackstay = await startBackstay(own, { overrides: { clock, counters } });
  const sql = postgres(backstay.databaseUrl, { max: 4, onnotice: () => {} });
  return {
    url: backstay.url,
    sql,
    clock,
    newActors: (count) => Promise.all(Array.from({ length: count }, () => makeActor(backstay.url))),
    async stop() {
      await sql.end();
      await backstay.stop();
    },
  };
}
