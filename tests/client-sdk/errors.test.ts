import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import { type BackstayClient, BackstayError } from "@backstay/client";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { ready } from "./support/events.js";
import { deferred } from "./support/queue.js";
import { refusal } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";

const { createAccount, getAccount } = AccountService.method;

test("a refused call rejects with the code, reason, message and request id the server gave", async () => {
  const server = await startScriptedServer();
  server.on(createAccount, () => {
    throw refusal(Code.AlreadyExists, "LOGIN_TAKEN", {
      message: "that login is in use",
      metadata: { login: "ada" },
      requestId: "request-1",
    });
  });
  const error = await rejection(impatientClient(server.url).accounts.createAccount({ login: "ada" }));
  expect(error).toBeInstanceOf(BackstayError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: "BackstayError",
    message: "that login is in use",
    code: "already_exists",
    reason: "LOGIN_TAKEN",
    metadata: { login: "ada" },
    requestId: "request-1",
    fields: [],
    retryAfterMs: undefined,
  });
  expect((error as BackstayError).cause).toBeInstanceOf(ConnectError);
});

test("wrong fields are listed, and found in either spelling", async () => {
  const server = await startScriptedServer();
  const fields = [
    { field: "recipient_id", description: "must not be empty" },
    { field: "account.email", description: "must be an address" },
  ];
  server.on(getAccount, () => {
    throw refusal(Code.InvalidArgument, "INVALID_FIELDS", { fields });
  });
  const error = (await rejection(impatientClient(server.url).accounts.getAccount())) as BackstayError;
  expect(error.fields).toEqual(fields);
  expect(error.field("recipientId")).toBe("must not be empty");
  expect(error.field("recipient_id")).toBe("must not be empty");
  expect(error.field("account.email")).toBe("must be an address");
  expect(error.field("text")).toBeUndefined();
});

test("BackstayError.is asks for any, for a code, or for a reason", () => {
  const error = new BackstayError("taken", { code: "already_exists", reason: "LOGIN_TAKEN" });
  expect(BackstayError.is(error)).toBe(true);
  expect(BackstayError.is(error, "already_exists")).toBe(true);
  expect(BackstayError.is(error, "LOGIN_TAKEN")).toBe(true);
  expect(BackstayError.is(error, "not_found")).toBe(false);
  expect(BackstayError.is(new Error("taken"))).toBe(false);
  expect(BackstayError.is(undefined)).toBe(false);
});

test.each([
  [Code.NotFound, "not_found"],
  [Code.PermissionDenied, "permission_denied"],
  [Code.FailedPrecondition, "failed_precondition"],
  [Code.Unauthenticated, "unauthenticated"],
  [Code.DataLoss, "data_loss"],
  [Code.Canceled, "canceled"],
])("code %i is named %s", async (code, name) => {
  const server = await startScriptedServer();
  server.on(getAccount, () => {
    throw new ConnectError("no", code);
  });
  expect(await rejection(impatientClient(server.url).accounts.getAccount())).toMatchObject({ code: name, reason: "" });
});

test("a server that is not there is unavailable, without a request id", async () => {
  const server = await startScriptedServer();
  await server.stop();
  expect(await rejection(impatientClient(server.url).system.ping())).toMatchObject({
    code: "unavailable",
    reason: "",
    requestId: "",
  });
});

test("a call that is given up is canceled, whatever the signal's reason", async () => {
  const server = await startScriptedServer();
  for (const reason of [undefined, new Error("enough"), "enough"]) {
    const arrived = deferred<void>();
    const gone = deferred<void>();
    server.on(getAccount, (_, call) => {
      arrived.resolve();
      call.signal.addEventListener("abort", () => gone.resolve());
      return gone.promise.then(() => ({}));
    });
    const given = new AbortController();
    const call = impatientClient(server.url).accounts.getAccount({}, { signal: given.signal });
    await arrived.promise;
    given.abort(reason);
    expect(BackstayError.is(await rejection(call), "canceled")).toBe(true);
    await gone.promise;
  }
});

test("a call with a signal that is already aborted is not sent", async () => {
  const server = await startScriptedServer();
  const call = impatientClient(server.url).accounts.getAccount({}, { signal: AbortSignal.abort() });
  expect(BackstayError.is(await rejection(call), "canceled")).toBe(true);
  expect(server.calls).toEqual([]);
});

test("a call that takes longer than timeoutMs rejects with deadline_exceeded", async () => {
  const server = await startScriptedServer();
  const never = deferred<Record<never, never>>();
  server.on(getAccount, () => never.promise);
  const call = impatientClient(server.url).accounts.getAccount({}, { timeoutMs: 30 });
  expect(BackstayError.is(await rejection(call), "deadline_exceeded")).toBe(true);
  never.resolve({});
});

test("a mistake in the caller's own code is not taken for a network failure", async () => {
  const server = await startScriptedServer();
  const call = impatientClient(server.url).accounts.getAccount({}, { headers: { "not a header": "x" } });
  expect(await rejection(call)).toMatchObject({ code: "invalid_argument" });
  expect(server.calls).toEqual([]);
});

test("a signal that outlives many calls and subscriptions is not held on to by them", async () => {
  const server = await startScriptedServer();
  const long = new AbortController();
  const client = impatientClient(server.url);
  await client.system.ping({}, { signal: long.signal });
  const events = client.events.subscribe({}, { signal: long.signal });
  const stands = events.ready();
  (await server.nextStream()).say(ready("c0"));
  await stands;
  expect(getEventListeners(long.signal, "abort")).toHaveLength(1);
  await events.return();
  expect(getEventListeners(long.signal, "abort")).toEqual([]);
});

describe("what no header can hold", () => {
  const SECRET = "bs_at_0123456789abcdefghijklmnop";
  const all = async (parts: AsyncIterable<unknown>) => {
    for await (const _ of parts) throw new Error("nothing was to come");
  };

  test.each<[string, (client: BackstayClient, headers?: Record<string, string>) => Promise<unknown>]>([
    ["a call", (client, headers) => client.accounts.getAccount({}, { headers })],
    ["an answer in parts", (client, headers) => all(client.accounts.exportAccount("me", { headers }))],
    ["a watched job", (client, headers) => all(client.jobs.watchJob("0", { headers }))],
    ["a subscription", async (client, headers) => client.events.subscribe({}, { headers }).next()],
  ])("is refused by %s without being quoted", async (_, use) => {
    const server = await startScriptedServer();
    const tries = [
      ...[`${SECRET}\nsecond line`, `“${SECRET}”`].map((token) =>
        use(impatientClient(server.url, { token, live: "stream" })),
      ),
      use(impatientClient(server.url, { live: "stream" }), { "x-key": `${SECRET}\u0000` }),
    ];
    for (const error of await Promise.all(tries.map(rejection))) {
      expect(error).toBeInstanceOf(BackstayError);
      expect(error).toMatchObject({ code: "invalid_argument" });
      expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
    }
  });

  test("is refused as an idempotency key without being quoted", async () => {
    const server = await startScriptedServer();
    const call = impatientClient(server.url).accounts.getAccount({}, { idempotencyKey: `${SECRET}\nsecond line` });
    const error = await rejection(call);
    expect(error).toMatchObject({ code: "invalid_argument" });
    expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
    expect(server.calls).toEqual([]);
  });

  test("is taken off a token's ends where it is blank", async () => {
    const server = await startScriptedServer();
    const sent: unknown[] = [];
    server.on(getAccount, (_, { headers }) => {
      sent.push(headers.get("authorization"));
      return {};
    });
    await impatientClient(server.url, { token: `${SECRET}\n` }).accounts.getAccount({});
    expect(sent).toEqual([`Bearer ${SECRET}`]);
  });
});
