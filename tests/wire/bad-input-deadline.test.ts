import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { eventually, within } from "../domains/support.js";
import { attempt, DOORS, pathOf } from "../rpc/doors.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

// A query waits for a row that the test holds locked: the caller's deadline must end both the call and the query.

const { sendMessage } = MessageService.method;
const { deleteAccount } = AccountService.method;

let backstay: TestBackstay;
let sql: postgres.Sql;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "database.lock_timeout": "20s", "database.statement_timeout": "20s" });
  sql = postgres(backstay.databaseUrl, { max: 3 });
  ada = await backstay.signUp();
});
beforeEach(async () => {
  ben = await backstay.signUp();
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "the counter's row is there" });
});
afterAll(async () => {
  await sql.end();
  await backstay.stop();
});

/** Writes of the server that are being carried out or wait; the relay's looks at the log are none. */
const running = () => sql`select wait_event_type from pg_stat_activity
  where datname = current_database() and application_name = 'backstay' and state = 'active' and query ~ '^(with|delete|select .* for (no key )?update)'`;

/** Makes a call while another connection holds Ben's rows. */
async function whileLocked<T>(call: () => Promise<T>): Promise<T> {
  let answer: T | undefined;
  await sql.begin(async (tx) => {
    await tx`select 1 from backstay.counters where account_id = ${ben.id} for update`;
    await tx`select 1 from backstay.accounts where id = ${ben.id} for update`;
    const called = call();
    called.catch(() => {});
    await eventually(10_000, "the query waits for the lock", async () => {
      const rows = await running();
      return rows.some(({ wait_event_type }) => wait_event_type === "Lock") || undefined;
    });
    answer = await within(1_500, called, "the call ends by its deadline of 500 ms");
    await eventually(1_000, "no query of the call is left", async () =>
      (await running()).length === 0 ? true : undefined,
    );
  });
  return answer as T;
}

const DEADLINE = { code: "deadline_exceeded", reason: "DEADLINE_EXCEEDED", fields: [] };
const timeout = { connect: "500", grpc: "500m", rest: "0.5" };
const doors = DOORS.filter(({ name }) => !name.includes("GET") && name !== "gRPC by grpc-js");

describe("a call whose query waits for a lock ends at its deadline, and so does the query", () => {
  it.each(doors)("by $name", async (door) => {
    const made = { ...attempt(sendMessage, { recipientId: ben.id, text: "late" }), token: ada.token, timeout };
    expect(door.takes(made)).toBe(true);
    const outcome = await whileLocked(() => door.call(backstay.url, made));
    expect({ code: outcome.code, reason: outcome.reason, fields: outcome.fields }).toEqual(DEADLINE);
    // Nothing of it is carried out afterwards, when the lock is gone.
    expect((await ben.client.messages.listMessages({})).messages.map(({ text }) => text)).not.toContain("late");
  });

  it("by grpc-js, which sends its deadline along", async () => {
    const client = new Client(new URL(backstay.url).host, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${ada.token}`);
    const bytes = (message: Buffer) => message;
    const { binary } = attempt(sendMessage, { recipientId: ben.id, text: "late" });
    const error = await whileLocked(
      () =>
        new Promise<ServiceError | null>((resolve) => {
          const options = { deadline: Date.now() + 500 };
          client.makeUnaryRequest(pathOf(sendMessage), bytes, bytes, Buffer.from(binary!), metadata, options, resolve);
        }),
    );
    expect(error?.code).toBe(4);
    client.close();
  });

  it("also in a transaction, which is undone", async () => {
    const made = { ...attempt(deleteAccount, { id: "me" }), token: ben.token, timeout };
    const outcome = await whileLocked(() => DOORS[0]!.call(backstay.url, made));
    expect({ code: outcome.code, reason: outcome.reason, fields: outcome.fields }).toEqual(DEADLINE);
    expect((await ada.client.accounts.getAccount({ id: ben.id })).account?.id).toBe(ben.id);
  });
});

it("a deadline that has passed when the call comes is answered at once", async () => {
  const made = { ...attempt(sendMessage, { recipientId: ben.id, text: "late" }), token: ada.token };
  for (const door of doors) {
    const passed = { ...made, timeout: { connect: "0", grpc: "0n", rest: "0" } };
    const outcome = await within(1_000, door.call(backstay.url, passed), "the call ends");
    expect([outcome.code, outcome.reason], door.name).toEqual(["deadline_exceeded", "DEADLINE_EXCEEDED"]);
  }
});

it("a statement that waits longer for a lock than the server lets it is QUERY_TIMEOUT", async () => {
  const secret = readFileSync(join(backstay.home, "etc", "secret"), "utf8").trim();
  const sameDatabase = { "database.url": backstay.databaseUrl, secret };
  const strict = await startBackstay({ ...sameDatabase, "database.lock_timeout": "200ms" });
  const made = { ...attempt(sendMessage, { recipientId: ben.id, text: "late" }), token: ada.token };
  const outcome = await whileLocked(() => DOORS[0]!.call(strict.url, made));
  expect([outcome.code, outcome.reason]).toEqual(["deadline_exceeded", "QUERY_TIMEOUT"]);
  await strict.stop();
});

it("the deadline also holds while the body is still on its way", async () => {
  const { hostname, port } = new URL(backstay.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    "POST /backstay.system.v1.SystemService/Ping HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
      "connect-timeout-ms: 200\r\ncontent-length: 2\r\n\r\n{",
  );
  const answer = await within(1_500, once(socket, "data"), "an answer comes although the body does not");
  socket.destroy();
  expect(String(answer[0])).toMatch(/^HTTP\/1\.1 504 [\s\S]*DEADLINE_EXCEEDED/);
});
