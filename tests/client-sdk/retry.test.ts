import { BackstayError, createClient } from "@backstay/client";
import { Code } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { refusal, unavailable } from "./support/refusals.js";
import { type ServedCall, startScriptedServer } from "./support/scripted-server.js";

const { sendMessage, listMessages, markRead } = MessageService.method;
const { createAccount } = AccountService.method;

/** Fails the first `times` calls. */
function failing(times: number, fail: (call: ServedCall) => void) {
  let left = times;
  return (_: unknown, call: ServedCall) => {
    if (left-- > 0) fail(call);
    return {};
  };
}

function keyOf(call: ServedCall) {
  return call.headers.get("idempotency-key");
}

const serverIsDown = () => {
  throw unavailable();
};

test("a create whose answer was lost is sent again with the same idempotency key", async () => {
  const server = await startScriptedServer();
  server.on(
    sendMessage,
    failing(2, (call) => call.drop()),
  );
  await impatientClient(server.url).messages.sendMessage({ recipientId: "grace", text: "hi" });
  const keys = server.callsOf(sendMessage).map(keyOf);
  expect(keys).toHaveLength(3);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(keys).size).toBe(1);
});

test("every create has a key of its own", async () => {
  const server = await startScriptedServer();
  const client = impatientClient(server.url);
  await client.messages.sendMessage({ recipientId: "grace", text: "hi" });
  await client.messages.sendMessage({ recipientId: "grace", text: "hi" });
  await client.accounts.createAccount({ login: "ada", secret: "s", name: "Ada" });
  await client.connections.putConnection({ peerId: "grace", type: "like" });
  await client.counters.incrementCounters({ deltas: { ping: 1n } });
  await client.history.appendHistory({ type: "entry" });
  const keys = server.calls.map(keyOf);
  expect(keys).not.toContain(null);
  expect(new Set(keys).size).toBe(6);
});

test("a key the caller gives is used as it is", async () => {
  const server = await startScriptedServer();
  await impatientClient(server.url).messages.sendMessage({}, { idempotencyKey: "my-key" });
  expect(server.calls.map(keyOf)).toEqual(["my-key"]);
});

test("reads are repeated, without a key", async () => {
  const server = await startScriptedServer();
  server.on(listMessages, failing(3, serverIsDown));
  await impatientClient(server.url).messages.listMessages();
  expect(server.calls.map(keyOf)).toEqual([null, null, null, null]);
});

test("a call that changes something and has no key is never repeated", async () => {
  const server = await startScriptedServer();
  server.on(
    markRead,
    failing(1, (call) => call.drop()),
  );
  expect(
    BackstayError.is(await rejection(impatientClient(server.url).messages.markRead({ id: "1" })), "unavailable"),
  ).toBe(true);
  expect(server.calls).toHaveLength(1);
});

test("a call that changes something is repeated when the caller gives it a key", async () => {
  const server = await startScriptedServer();
  server.on(markRead, failing(1, serverIsDown));
  await impatientClient(server.url).messages.markRead({ id: "1" }, { idempotencyKey: "k" });
  expect(server.calls.map(keyOf)).toEqual(["k", "k"]);
});

test("after four attempts the last error is the call's", async () => {
  const server = await startScriptedServer();
  server.on(listMessages, failing(9, serverIsDown));
  expect(BackstayError.is(await rejection(impatientClient(server.url).messages.listMessages()), "unavailable")).toBe(
    true,
  );
  expect(server.calls).toHaveLength(4);
});

test("retry.attempts says how often, and 1 is never again", async () => {
  const server = await startScriptedServer();
  server.on(listMessages, failing(9, serverIsDown));
  await rejection(createClient(server.url, { retry: { attempts: 1 } }).messages.listMessages());
  expect(server.calls).toHaveLength(1);
});

test("a call that lost a race (aborted) is repeated", async () => {
  const server = await startScriptedServer();
  server.on(
    createAccount,
    failing(1, () => {
      throw refusal(Code.Aborted, "CONFLICT");
    }),
  );
  await impatientClient(server.url).accounts.createAccount({ login: "ada" });
  expect(server.calls).toHaveLength(2);
});

test.each([Code.Internal, Code.ResourceExhausted, Code.DeadlineExceeded, Code.NotFound, Code.Unknown])(
  "code %i is not repeated",
  async (code) => {
    const server = await startScriptedServer();
    server.on(
      listMessages,
      failing(1, () => {
        throw refusal(code, "NO");
      }),
    );
    await rejection(impatientClient(server.url).messages.listMessages());
    expect(server.calls).toHaveLength(1);
  },
);

test("the wait the server asks for is kept", async () => {
  const server = await startScriptedServer();
  const times: number[] = [];
  server.on(listMessages, () => {
    times.push(performance.now());
    if (times.length === 1) throw unavailable({ retryAfterMs: 60 });
    return {};
  });
  await impatientClient(server.url).messages.listMessages();
  expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(59);
});

test("timeoutMs bounds the call with all its repeats: one that could only come too late is not waited for", async () => {
  const server = await startScriptedServer();
  server.on(listMessages, () => {
    throw unavailable({ retryAfterMs: 60_000 });
  });
  const error = await rejection(impatientClient(server.url).messages.listMessages({}, { timeoutMs: 1_000 }));
  expect(error).toMatchObject({ code: "unavailable", retryAfterMs: 60_000 });
  expect(server.calls).toHaveLength(1);
});

test("the server is told how much time is left", async () => {
  const server = await startScriptedServer();
  await impatientClient(server.url, { timeoutMs: 5_000 }).messages.listMessages();
  await impatientClient(server.url, { timeoutMs: 0 }).messages.listMessages();
  expect(Number(server.calls[0]?.headers.get("connect-timeout-ms"))).toBeGreaterThan(4_000);
  expect(server.calls[1]?.headers.has("connect-timeout-ms")).toBe(false);
});

test("a call given up between two attempts ends there", async () => {
  const server = await startScriptedServer();
  server.on(listMessages, () => {
    throw unavailable({ retryAfterMs: 60_000 });
  });
  const given = new AbortController();
  const { setTimeout } = globalThis;
  vi.stubGlobal("setTimeout", (run: () => void, ms: number) => {
    if (ms >= 60_000) queueMicrotask(() => given.abort());
    return setTimeout(run, ms);
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  const call = createClient(server.url, { timeoutMs: 0 }).messages.listMessages({}, { signal: given.signal });
  expect(BackstayError.is(await rejection(call), "canceled")).toBe(true);
  expect(server.calls).toHaveLength(1);
});
