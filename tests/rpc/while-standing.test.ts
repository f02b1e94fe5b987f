import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bearer, curl, eventually, openDatabase, operatorToken, testClock, within } from "../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

const clock = testClock();

let backstay: TestBackstay;
let admin: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.access_ttl": "15m" }, { overrides: { clock } });
});
beforeEach(async () => {
  const [person, another] = [await backstay.signUp(), await backstay.signUp()];
  for (const { id } of [person, another]) await role("Grant", id);
  admin = person;
});
afterAll(() => backstay.stop());

const role = (change: "Grant" | "Revoke", id = admin.id) =>
  curl(backstay, `auth.v1.AuthService/${change}Role`, { id, role: "admin" }, operatorToken(backstay));
const signOut = () => curl(backstay, "auth.v1.AuthService/SignOut", {}, admin.token);

/** Opens a stream that comes to a table which somebody else holds, and waits there. */
async function openWaiting(path: string, table: string) {
  const sql = openDatabase(backstay);
  const holder = await sql.reserve();
  await holder`begin`;
  await holder`lock table ${sql(`backstay.${table}`)} in access exclusive mode`;
  const response = fetch(backstay.url + path, {
    headers: { ...bearer(admin.token), accept: "application/x-ndjson" },
  });
  const ended = response.then((answer) => answer.text());
  await eventually(5_000, "the stream waits for the table", async () => {
    const waiting = await sql`select from pg_locks
      where not granted and relation = ${`backstay.${table}`}::regclass and mode = 'AccessShareLock'`;
    return waiting.length > 0 || undefined;
  });
  return {
    /** Why it ended. */
    async reason() {
      const last = JSON.parse((await within(1_500, ended, "the stream ends")).trim().split("\n").at(-1)!);
      return (last.error ?? last).details.find((detail: { reason?: string }) => detail.reason !== undefined)?.reason;
    },
  };
}

describe.each([
  ["the check of the audit log", "/v1/audit-events:verify", "audit_log"],
  ["an export", "/v1/accounts/me:export", "messages"],
])("%s ends within a second, although it waits itself, once its caller", (_, path, table) => {
  it.each<[string, () => unknown, string]>([
    ["has signed out", signOut, "TOKEN_REVOKED"],
    ["has lost a role", () => role("Revoke"), "CONFLICT"],
    ["has a token that is past its time", () => clock.advance(16 * 60_000), "TOKEN_EXPIRED"],
  ])("%s", async (_, lose, reason) => {
    const stream = await openWaiting(path, table);
    await lose();
    expect(await stream.reason()).toBe(reason);
  });
});
