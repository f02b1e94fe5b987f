import type { DescMethodUnary, JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { operatorToken } from "../domains/support.js";
import { type Attempt, attempt, DOORS } from "../rpc/doors.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

const { createAccount, batchGetAccounts, setAccountStatus } = AccountService.method;
const { listMessages, listUnread, markRead } = MessageService.method;
const { putConnection, listReferences } = ConnectionService.method;
const { incrementCounters } = CounterService.method;

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay?.stop());

const STATUSES = "must be one of ACCOUNT_STATUS_ACTIVE, ACCOUNT_STATUS_BANNED";
const TIME = "must be a time like 2026-11-23T10:00:00Z";
const DELTA = "each value a whole number from -9007199254740991 to 9007199254740991";
const eve = { login: "Eve", secret: "long enough", name: "Eve" };

/** What the rules of the proto refuse, and what only the reader of JSON does. */
const CASES: [method: DescMethodUnary, message: JsonObject, says: string][] = [
  [AuthService.method.signIn, { login: "Ada" }, "secret: must not be empty"],
  [batchGetAccounts, {}, "ids: must not be empty"],
  [incrementCounters, {}, "deltas: must not be empty"],
  [markRead, { id: "x".repeat(65) }, "id: must have at most 64 characters"],
  [putConnection, { peerId: "x", type: "Like" }, "type: must be of small letters, digits and _, 1 to 32 of them"],
  [createAccount, { ...eve, email: "nowhere" }, "email: must be an e-mail address"],
  [listMessages, { pageSize: -1 }, "pageSize: must be from 0 to 500"],
  [listReferences, { filters: [{ column: "type", op: "is" }] }, "filters[0].op: must be one of eq, ne, gt"],
  [setAccountStatus, { id: "me" }, `status: ${STATUSES}`],
  [setAccountStatus, { id: "me", status: "BANNED" }, `status: ${STATUSES}`],
  [JobService.method.listJobs, { states: ["LOST"] }, "states: must be a list, each item one of JOB_STATE_"],
  [listMessages, { since: "1795393212469" }, `since: ${TIME}`],
  [listMessages, { pageSize: "many" }, "pageSize: must be a whole number from 0 to 500"],
  [listUnread, { markRead: "maybe" }, "markRead: must be true or false"],
  [incrementCounters, { deltas: { ping: 1.5 } }, `deltas: must be an object, ${DELTA}`],
  [createAccount, { ...eve, name: 1 }, "name: must be text"],
];

it.each(CASES.map((one) => [one[0].name, ...one] as const))(
  "%s is refused in plain words at every door",
  async (_, method, message, says) => {
    const token = operatorToken(backstay);
    // No query can carry a list of filters.
    const doors = DOORS.filter(
      (door) => door.takes(made(method, message)) && !(door.name === "REST" && message.filters),
    );
    expect(doors.length).toBeGreaterThan(0);
    for (const door of doors) {
      const isFree = method === createAccount || method === AuthService.method.signIn;
      const { text } = await door.call(backstay.url, { ...made(method, message), ...(!isFree && { token }) });
      // A door may escape quotes, of which none stands here.
      expect(text, door.name).toContain(says);
    }
  },
);

/** A message that only JSON can carry is sent by the doors of JSON. */
function made(method: DescMethodUnary, message: JsonObject): Attempt {
  try {
    return attempt(method, message);
  } catch {
    return { method, json: Buffer.from(JSON.stringify(message)) };
  }
}

describe("REST names fields as they stand in a body that is one of them", () => {
  const patch = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${ada.token}`, "content-type": "application/json" };
    const response = await fetch(backstay.url + path, { method: "PATCH", headers, body: JSON.stringify(body) });
    const { message, details } = (await response.json()) as { message: string; details: JsonObject[] };
    const violations = details.flatMap((one) => (one.fieldViolations ?? []) as { field: string }[]);
    return [violations.map(({ field }) => field), message];
  };

  it.each([
    [{ name: "x".repeat(129) }, "name", "name: must have at most 128 characters"],
    [{ name: 1 }, "name", "name: must be text"],
    [{ nickname: "x" }, "nickname", "There is no field nickname."],
    [{ roles: ["admin"] }, "roles", "The field roles is not the caller's to set."],
    [{ emailVerified: true }, "emailVerified", "The field emailVerified is not the caller's to set."],
    [{}, "updateMask", "Nothing is to be changed: give a field, or name it in updateMask."],
  ])("accounts: %j", async (body, field, says) => {
    expect(await patch("/v1/accounts/me", body)).toEqual([[field], says]);
  });

  it.each([
    [{}, "properties", "Nothing is to be changed: give properties."],
    [{ properties: [] }, "properties", "properties: must be an object"],
    [{ createTime: "2026-11-23T10:00:00Z" }, "createTime", "The field createTime cannot be changed."],
  ])("connections: %j", async (body, field, says) => {
    expect(await patch("/v1/connections/someone/like", body)).toEqual([[field], says]);
  });
});
