import { BackstayError, memoryStore, type SubscriptionStatus } from "@backstay/client";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { event, heartbeat, ids, ready, take } from "./support/events.js";
import { createQueue, deferred } from "./support/queue.js";
import { refusal, tokenExpired, unavailable } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";
import { bearerOf, keptTokens, servedTokens } from "./support/tokens.js";

const { refresh, signOut, signIn } = AuthService.method;

test.each([
  ["the server is unavailable", unavailable()],
  ["the reader was too slow", refusal(Code.ResourceExhausted, "SLOW_READER")],
  ["the server asks to come back later", refusal(Code.ResourceExhausted, "RATE_LIMITED", { retryAfterMs: 1 })],
  ["the server made a mistake", refusal(Code.Internal, "INTERNAL")],
  ["a proxy cut it", new ConnectError("HTTP 500", Code.Unknown)],
])("a stream resumes when %s", async (_, error) => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const taken = take(events, 2);
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  stream.say(event(1));
  stream.end(error);
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c1");
  resumed.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
  await events.return();
});

test.each([
  ["PERMISSION_DENIED", Code.PermissionDenied, "TOPIC_FORBIDDEN"],
  ["INVALID_ARGUMENT", Code.InvalidArgument, "INVALID_CURSOR"],
  ["UNAUTHENTICATED", Code.Unauthenticated, "MISSING_TOKEN"],
  ["RESOURCE_EXHAUSTED", Code.ResourceExhausted, "TOO_MANY_STREAMS"],
  ["UNIMPLEMENTED", Code.Unimplemented, ""],
])("%s ends the iteration with the error", async (_, code, reason) => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const next = rejection(events.next());
  (await server.nextStream()).end(refusal(code, reason, { requestId: "request-1" }));
  expect(await next).toMatchObject({ name: "BackstayError", reason, requestId: "request-1" });
  expect(server.calls).toHaveLength(1);
});

test("a server that is not there yet is tried until it is", async () => {
  const server = await startScriptedServer();
  let attempts = 0;
  const client = impatientClient(server.url, {
    fetch: (input, init) => (++attempts < 6 ? Promise.reject(new TypeError("fetch failed")) : fetch(input, init)),
  });
  const statuses: SubscriptionStatus[] = [];
  const events = client.events.subscribe({}, { onStatus: (status) => statuses.push(status) });
  const stands = events.ready();
  (await server.nextStream()).say(ready("c0"));
  await stands;
  expect(attempts).toBe(6);
  expect(statuses.map(({ status }) => status)).toEqual(["connecting", ...Array(5).fill("reconnecting"), "live"]);
  expect(statuses[1]?.error?.code).toBe("unavailable");
  await events.return();
});

test("a connection that has gone silent is left for another", async () => {
  const server = await startScriptedServer();
  const statuses = createQueue<SubscriptionStatus>();
  const events = impatientClient(server.url).events.subscribe({}, { heartbeatTimeoutMs: 500, onStatus: statuses.push });
  const taken = take(events, 2);
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  stream.say(event(1));
  const resumed = await server.nextStream();
  await stream.closed;
  expect(resumed.request.afterCursor).toBe("c1");
  resumed.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
  await events.return();
  expect((await statuses.take()).status).toBe("connecting");
  expect((await statuses.take()).status).toBe("live");
  expect((await statuses.take()).error?.message).toBe("nothing heard for 500 ms");
});

test("a connection that accepts and never answers is left as well", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({}, { heartbeatTimeoutMs: 500 });
  const taken = take(events, 1);
  const silent = await server.nextStream();
  (await server.nextStream()).say(event(1));
  expect(await taken).toEqual(ids(1, 1));
  await silent.closed;
  await events.return();
});

test("heartbeats keep a quiet stream, and the time a consumer takes for an event does not count as silence", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const first = take(events, 1);
  const stream = await server.nextStream();
  stream.say(event(1));
  await first;
  vi.advanceTimersByTime(60_000);
  const second = take(events, 1);
  for (const cursor of ["c2", "c3", "c4"]) {
    vi.advanceTimersByTime(39_000);
    stream.say(heartbeat(cursor));
    while (events.cursor !== cursor) await new Promise(setImmediate);
  }
  stream.say(event(5));
  expect(await second).toEqual(ids(5, 5));
  expect(server.calls).toHaveLength(1);
  await events.return();
});

test("leaving the loop ends the connection at once", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const looped = (async () => {
    for await (const _ of events) break;
  })();
  const stream = await server.nextStream();
  stream.say(event(1));
  await looped;
  await stream.closed;
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

test("return() ends the connection even while an event is waited for", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const pending = events.next();
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  await events.return();
  expect(await pending).toEqual({ done: true, value: undefined });
  await stream.closed;
});

test("the signal ends the connection and the loop quietly", async () => {
  const server = await startScriptedServer();
  const given = new AbortController();
  const statuses: string[] = [];
  const events = impatientClient(server.url).events.subscribe(
    {},
    { signal: given.signal, onStatus: ({ status }) => statuses.push(status) },
  );
  const seen: string[] = [];
  const looped = (async () => {
    for await (const each of events) seen.push(each.id);
  })();
  const stream = await server.nextStream();
  stream.say(event(1));
  stream.say(ready("c1"));
  given.abort(new Error("the page is gone"));
  await looped;
  await stream.closed;
  expect(statuses.at(-1)).toBe("closed");
});

test("the signal ends the connection while the consumer works on an event", async () => {
  const server = await startScriptedServer();
  const given = new AbortController();
  const events = impatientClient(server.url).events.subscribe({}, { signal: given.signal });
  const first = take(events, 1);
  const stream = await server.nextStream();
  stream.say(event(1));
  await first;
  given.abort();
  await stream.closed;
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

test("a subscription whose signal is already aborted is over before it begins, and is never ready", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({}, { signal: AbortSignal.abort() });
  expect(await events.next()).toEqual({ done: true, value: undefined });
  expect(BackstayError.is(await rejection(events.ready()), "canceled")).toBe(true);
  expect(server.calls).toEqual([]);
});

test("a stream whose token has ended goes on with a new one", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const events = client.events.subscribe();
  const taken = take(events, 1);
  const stream = await server.nextStream();
  stream.say(ready("c3"));
  stream.end(tokenExpired());
  const resumed = await server.nextStream();
  expect(bearerOf(resumed)).toBe("access-2");
  expect(resumed.request.afterCursor).toBe("c3");
  resumed.say(event(4));
  expect(await taken).toEqual(ids(4, 4));
  await events.return();
});

test("a stream whose sign-in was revoked ends with the server's reason, and the client is signed out", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => {
    throw refusal(Code.Unauthenticated, "INVALID_TOKEN");
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const next = rejection(client.events.subscribe().next());
  (await server.nextStream()).end(refusal(Code.Unauthenticated, "TOKEN_REVOKED"));
  expect(await next).toMatchObject({ code: "unauthenticated", reason: "TOKEN_REVOKED" });
  expect(client.auth.tokens).toBeUndefined();
});

test("a stream whose new token is refused as well ends, instead of renewing for ever", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const next = rejection(client.events.subscribe().next());
  (await server.nextStream()).end(tokenExpired());
  (await server.nextStream()).end(tokenExpired());
  expect(BackstayError.is(await next, "TOKEN_EXPIRED")).toBe(true);
  expect(server.callsOf(refresh)).toHaveLength(1);
});

test("a stream that cannot renew its token because the server is away tries again", async () => {
  const server = await startScriptedServer();
  let refusals = 0;
  server.on(refresh, () => {
    if (refusals++ < 5) throw unavailable();
    return { tokens: servedTokens(2) };
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1, -1)) });
  const events = client.events.subscribe();
  const taken = take(events, 1);
  (await server.nextStream()).say(event(1));
  expect(await taken).toEqual(ids(1, 1));
  await events.return();
});

test("signing out ends the streams of that sign-in at once", async () => {
  const server = await startScriptedServer();
  const answer = deferred<Record<never, never>>();
  server.on(signOut, () => answer.promise);
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const events = client.events.subscribe();
  const stands = events.ready();
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  await stands;
  const next = rejection(events.next());
  const signedOut = client.auth.signOut();
  answer.resolve({});
  await signedOut;
  expect(await next).toMatchObject({ code: "unauthenticated", reason: "SIGNED_OUT" });
  await stream.closed;
});

test("a stream never goes on with the events of whoever signs in next", async () => {
  const server = await startScriptedServer();
  server.on(signIn, () => ({ account: { id: "grace" }, tokens: servedTokens(7), deviceId: "device-7" }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const events = client.events.subscribe();
  const stands = events.ready();
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  await stands;
  await client.auth.signIn({ login: "grace", secret: "hopper" });
  expect(BackstayError.is(await rejection(events.next()), "SIGNED_OUT")).toBe(true);
  await stream.closed;
});
