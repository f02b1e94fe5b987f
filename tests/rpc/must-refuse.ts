import postgres from "postgres";
import { expect } from "vitest";
import { call, type TestBackstay } from "../support/backstay.js";
import type { Outcome } from "./doors.js";

/** How a call is refused; without `fields` it does not matter which are named. */
export interface Expected {
  code: string;
  reason: string;
  fields?: string[];
}

/** Rows of everything a call could have written. */
async function rows(sql: postgres.Sql): Promise<object> {
  const [counts] = await sql`select
    (select count(*)::int from backstay.accounts) as accounts,
    (select count(*)::int from backstay.identities) as identities,
    (select count(*)::int from backstay.grants) as grants,
    (select count(*)::int from backstay.messages) as messages,
    (select count(read_at)::int from backstay.messages) as read,
    (select sum(value)::int from backstay.counters) as counted,
    (select count(*)::int || md5(string_agg(properties::text, '' order by id)) from backstay.connections) as connections,
    (select count(*)::int from backstay.blocks) as blocks,
    (select count(*)::int from backstay.history) as history,
    (select coalesce(sum(cardinality(topics)), 0) from backstay.outbox)::int + (select count(*)::int from backstay.events) as events,
    (select count(*)::int from backstay.idempotency_keys) as keys`;
  return { ...counts };
}

/** What no answer may tell: stacks, paths, SQL, the driver, hashes, secrets, tokens. */
const LEAK =
  /\n\s+at |node_modules|\.[jt]s:\d|\/(tmp|home|root|usr|var)\/|\bselect\b.*\bfrom\b|insert into|PostgresError|SQLSTATE|\$argon2|secret of|bs_(at|rt|st|op)_/i;

/** Watches a server that must refuse. */
export interface Watch {
  /** Makes a call that must be refused as expected, tell nothing, change nothing, and leave the server well. */
  mustRefuse(made: () => Promise<Outcome>, expected: Expected, door?: string): Promise<Outcome>;
  end(): Promise<void>;
}

export function watch(backstay: TestBackstay): Watch {
  const sql = postgres(backstay.databaseUrl, { max: 1 });
  return {
    mustRefuse: (made, expected, door = "") => mustRefuse(backstay, sql, made, expected, door),
    end: () => sql.end(),
  };
}

async function mustRefuse(
  backstay: TestBackstay,
  sql: postgres.Sql,
  made: () => Promise<Outcome>,
  expected: Expected,
  door: string,
): Promise<Outcome> {
  const { code, reason, fields } = expected;
  const before = await rows(sql);
  const outcome = await made();
  const told = `${door} ${outcome.text.slice(0, 300)}`;
  expect({ code: outcome.code, reason: outcome.reason }, told).toEqual({ code, reason });
  if (fields !== undefined) expect(outcome.fields, told).toEqual(fields);
  expect(outcome.text, door).not.toMatch(LEAK);
  const ping = await call(backstay.url, "system.v1.SystemService/Ping", {});
  expect(ping.status, door).toBe(200);
  expect(await rows(sql), door).toEqual(before);
  return outcome;
}

export const invalid = (reason: string, ...fields: string[]): Expected => ({
  code: "invalid_argument",
  reason,
  fields,
});

export const TOO_LARGE: Expected = { code: "resource_exhausted", reason: "MESSAGE_TOO_LARGE", fields: [] };
