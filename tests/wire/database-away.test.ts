import { createClient } from "@backstay/client";
import type { DescMethodUnary, JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { openStream, standingStream } from "../domains/stream.js";
import { eventually, upTo, within } from "../domains/support.js";
import { attempt, DOORS } from "../rpc/doors.js";
import { call, type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { startPostgres18, type TestServer } from "../support/postgres.js";

// The database server is killed as a crash does, and comes back; the Backstay in front of it is never restarted.

const ACQUIRE_MS = 1_000;
/** What a call may take more than the wait for a connection, on a busy machine. */
const SLACK_MS = 1_000;
const AWAY = { code: "unavailable", reason: "DATABASE_UNAVAILABLE" };

let server: TestServer;
let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  server = await startPostgres18();
  const { url } = await server.createDatabase();
  backstay = await startBackstay({
    "database.url": url,
    "database.acquire_timeout": `${ACQUIRE_MS}ms`,
    "events.heartbeat": "500ms",
  });
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(async () => {
  await backstay?.stop();
  await server?.stop();
});

const ready = async () => (await fetch(`${backstay.url}/readyz`)).status;
const send = (text: string, token = ada.token) =>
  call(backstay.url, "messages.v1.MessageService/SendMessage", { recipientId: ben.id, text }, bearerOf(token));
const bearerOf = (token: string) => ({ authorization: `Bearer ${token}` });

async function textsOfBen(): Promise<string[]> {
  const { messages } = await ben.client.messages.listMessages({ pageSize: 500, descending: true });
  return messages.map(({ text }) => text);
}

/** Resolves when the server has seen that the database is gone: a connection is known to be dead only when it is used. */
const away = () => eventually(5_000, "the server is not ready", async () => (await ready()) === 503 || undefined);

/** Resolves when calls are answered again, which must be soon after the database is back. */
const recovered = () =>
  eventually(5_000, "calls are answered again", async () => {
    const { status } = await send("are you there?");
    return status === 200 ? true : undefined;
  });

describe("while the database is away", () => {
  beforeAll(async () => {
    server.kill9();
    await away();
  });
  afterAll(async () => {
    await server.restart();
    await recovered();
  });

  const calls: [name: string, make: () => [DescMethodUnary, JsonObject, string | undefined]][] = [
    [
      "CreateAccount",
      () => [AccountService.method.createAccount, { login: "late", secret: "secret", name: "L" }, undefined],
    ],
    ["GetAccount", () => [AccountService.method.getAccount, { id: ben.id }, ada.token]],
    ["BatchGetAccounts", () => [AccountService.method.batchGetAccounts, { ids: [ben.id] }, ada.token]],
    ["DeleteAccount", () => [AccountService.method.deleteAccount, { id: "me" }, ada.token]],
    ["SignIn", () => [AuthService.method.signIn, { login: ada.login, secret: ada.secret }, undefined]],
    ["Refresh", () => [AuthService.method.refresh, { refreshToken: ada.client.auth.tokens!.refreshToken }, undefined]],
    ["SignOut", () => [AuthService.method.signOut, {}, ada.token]],
    ["GetCurrent", () => [AuthService.method.getCurrent, {}, ada.token]],
    [
      "CompleteSetup",
      () => {
        const setupToken = backstay.setupUrl!.split("#")[1]!;
        return [
          AuthService.method.completeSetup,
          { setupToken, login: "admin", secret: "secret", name: "A" },
          undefined,
        ];
      },
    ],
    ["SendMessage", () => [MessageService.method.sendMessage, { recipientId: ben.id, text: "lost" }, ada.token]],
    ["ListMessages", () => [MessageService.method.listMessages, {}, ben.token]],
    ["MarkRead", () => [MessageService.method.markRead, { id: ben.id }, ben.token]],
  ];

  it.each(calls)("%s is unavailable, in the time that a wait for a connection may take", async (_, make) => {
    const [method, message, token] = make();
    const door = DOORS[0]!;
    const called = door.call(backstay.url, { ...attempt(method, message), token });
    const outcome = await within(ACQUIRE_MS + SLACK_MS, called, "the call is answered");
    expect({ code: outcome.code, reason: outcome.reason }).toEqual(AWAY);
    expect(outcome.http).toBe(503);
    expect(outcome.text).toContain("google.rpc.RetryInfo");
    expect(outcome.text).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|postgres/i);
  });

  it.each(DOORS)("calls are unavailable by $name", async (door) => {
    const made = { ...attempt(MessageService.method.listMessages, {}), token: ben.token };
    const outcome = await within(ACQUIRE_MS + SLACK_MS, door.call(backstay.url, made), "the call is answered");
    expect({ code: outcome.code, reason: outcome.reason }).toEqual(AWAY);
  });

  it("many calls at once are all answered in that time", async () => {
    const answers = await within(
      ACQUIRE_MS + 2 * SLACK_MS,
      Promise.all(upTo(100).map(() => send("lost"))),
      "all are answered",
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  });

  it("a stream is unavailable", async () => {
    const stream = await openStream(backstay, ben.token);
    expect((await stream.end(ACQUIRE_MS + SLACK_MS)).refused).toMatchObject(AWAY);
  });

  it("Ping and GetInfo answer, with a token and without", async () => {
    for (const headers of [{}, bearerOf(ada.token)]) {
      for (const name of ["Ping", "GetInfo"]) {
        const answer = call(backstay.url, `system.v1.SystemService/${name}`, {}, headers);
        expect((await within(ACQUIRE_MS + SLACK_MS, answer, `${name} answers`)).status).toBe(200);
      }
    }
  });

  it("/readyz says 503 and /healthz says 200", async () => {
    expect(await ready()).toBe(503);
    expect((await fetch(`${backstay.url}/healthz`)).status).toBe(200);
  });

  it("a caller's own deadline is kept", async () => {
    const door = DOORS[0]!;
    const made = { ...attempt(MessageService.method.listMessages, {}), token: ben.token, timeout: { connect: "200" } };
    const outcome = await within(200 + SLACK_MS, door.call(backstay.url, made), "the call ends");
    expect(["deadline_exceeded", "unavailable"]).toContain(outcome.code);
  });
});

describe("when the database comes back", () => {
  beforeEach(async () => {
    await recovered();
  });

  it("calls are answered and /readyz says 200, without a restart", async () => {
    server.kill9();
    await away();
    await server.restart();
    await recovered();
    await eventually(2_000, "the server is ready", async () => ((await ready()) === 200 ? true : undefined));
  });

  it("every message that was acknowledged while it was killed is there once, and the others at most once", async () => {
    const acknowledged: string[] = [];
    const reasons = new Set<string>();
    await Promise.all(
      upTo(8).map(async (sender) => {
        for (let n = 1; ; n++) {
          const text = `${sender} ${n} under fire`;
          const { status, json } = await send(text);
          if (status !== 200) return reasons.add(String(json.code));
          acknowledged.push(text);
          if (acknowledged.length === 100) server.kill9();
        }
      }),
    );
    expect([...reasons]).toEqual(["unavailable"]);
    await server.restart();
    await recovered();
    const texts = (await textsOfBen()).filter((text) => text.endsWith("under fire"));
    expect(new Set(texts).size).toBe(texts.length);
    expect(texts).toEqual(expect.arrayContaining(acknowledged));
  });

  it("the client's call that began before is carried out once", async () => {
    const patient = createClient(backstay.url, { token: ada.token, retry: { attempts: 20 } });
    server.kill9();
    await away();
    const sent = patient.messages.sendMessage({ recipientId: ben.id, text: "patience" });
    await server.restart();
    const { message } = await sent;
    expect((await textsOfBen()).filter((text) => text === "patience")).toHaveLength(1);
    expect(message?.text).toBe("patience");
  });

  it("a stream that was open goes on with what was sent since", async () => {
    const stream = await standingStream(backstay, ben.token);
    const heartbeat = () => eventually(3_000, "a heartbeat", async () => (await stream.next()).heartbeat);
    // It has read what was missed, and lives from what is handed out.
    await heartbeat();
    server.kill9();
    await away();
    // It stays, and says so.
    await heartbeat();
    await server.restart();
    await recovered();
    await send("since then");
    await eventually(2_000, "the message", async () => (await stream.event()).data.text === "since then" || undefined);
  });

  it("nothing of all this was a defect: the log has no internal error", () => {
    expect(backstay.log()).not.toMatch(/"code":"internal"/);
  });
});
