import {
  BackstayError,
  type ClientOptions,
  memoryStore,
  type Subscription,
  type SubscriptionStatus,
} from "@backstay/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { event, goodbye, heartbeat, ids, momentary, ready, take } from "./support/events.js";
import { tokenExpired } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";
import { keptTokens, servedTokens } from "./support/tokens.js";

const { refresh, getCurrent } = AuthService.method;

/** A client whose subscriptions go by WebSocket. */
function socketClient(url: string, options: ClientOptions = {}) {
  return impatientClient(url, { webSocket: WebSocket, live: "socket", ...options });
}

/** The next WebSocket, and what it subscribes to; `say` says what a stream does. */
async function nextSubscription(server: Awaited<ReturnType<typeof startScriptedServer>>) {
  const socket = await server.nextSocket();
  const request = (await socket.nextFrame()) as Record<string, unknown>;
  const { id } = request;
  socket.say({ op: "subscribe", id, status: 200 });
  return {
    ...socket,
    request,
    sayFrame: socket.say,
    say: (item: { case: string; value: object }) => socket.say({ op: "event", id, [item.case]: item.value }),
    end: (frame: object) => socket.say({ op: "end", id, ...frame }),
  };
}

/** An error as a frame has it. */
const refused = (status: number, code: number, reason: string) => ({
  status,
  code,
  message: "refused",
  details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "backstay", metadata: { a: "b" } }],
});

/** fetch as on a phone: an answer has no body to read as it comes. */
const bodyless: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  return new Proxy(response, {
    get: (target, name) => (name === "body" ? undefined : Reflect.get(target, name, target)),
  });
};

test("by a WebSocket: says the same to the server, with the token apart from the URL, and hands out the same", async () => {
  const server = await startScriptedServer();
  const asked = { topics: ["room/lobby"], types: ["chat.*"], match: "ad+", presence: { mood: "calm" } };
  const events = socketClient(server.url, { token: "secret-token" }).events.subscribe({ ...asked, afterCursor: "c0" });
  const taken = take(events, 4);
  const socket = await nextSubscription(server);
  expect(socket.url).toBe("/ws");
  expect(socket.bearer).toBe("secret-token");
  expect(socket.request).toEqual({ op: "subscribe", id: expect.any(String), ...asked, afterCursor: "c0" });
  for (const item of [ready("c0"), event(1), event(1), heartbeat("c1"), event(2), momentary("join"), event(3)])
    socket.say(item);
  expect(await taken).toEqual(["event-1", "event-2", "join", "event-3"]);
  expect(events.cursor).toBe("c3");
  await events.return();
  expect(await socket.closed).toBe(1005);
});

test("by a WebSocket: what the app itself sends to the socket, and answers nobody asked for, are passed over", async () => {
  const server = await startScriptedServer();
  const events = socketClient(server.url).events.subscribe();
  const taken = take(events, 1);
  const socket = await server.nextSocket();
  const { id } = (await socket.nextFrame()) as { id: string };
  socket.say({ op: "/project/update", project: { id: 1 } });
  socket.say({ op: "event", id: "another", event: event(7).value });
  socket.say({ op: "event", id, event: { ...event(1).value, field: "of a newer server" }, alsoNew: 1 });
  expect(await taken).toEqual(ids(1, 1));
  await events.return();
});

test.each<[string, (socket: Awaited<ReturnType<typeof nextSubscription>>) => void, string | undefined]>([
  ["breaks", (socket) => socket.drop(), "unavailable"],
  ["says goodbye", (socket) => socket.say(goodbye(0)), undefined],
  ["is closed because the server stops", (socket) => socket.close(1001), undefined],
  ["is closed because too much waits", (socket) => socket.close(1013, "c1"), "resource_exhausted"],
  ["ends as too slow", (socket) => socket.end(refused(429, 8, "SLOW_READER")), "resource_exhausted"],
  ["ends without a word", (socket) => socket.end({ status: 200 }), "unavailable"],
])("by a WebSocket: resumes after the last event when the socket %s", async (_, happen, code) => {
  const server = await startScriptedServer();
  const statuses: SubscriptionStatus[] = [];
  const events = socketClient(server.url).events.subscribe({}, { onStatus: (status) => statuses.push(status) });
  const taken = take(events, 2);
  const socket = await nextSubscription(server);
  for (const item of [ready("c0"), event(1)]) socket.say(item);
  happen(socket);
  const resumed = await nextSubscription(server);
  expect(resumed.request.afterCursor).toBe("c1");
  await socket.closed;
  for (const item of [ready("c1"), event(1), event(2)]) resumed.say(item);
  expect(await taken).toEqual(ids(1, 2));
  await events.return();
  expect(statuses.map(({ status }) => status)).toEqual(["connecting", "live", "reconnecting", "live", "closed"]);
  expect(statuses[2]?.error?.code).toBe(code);
});

test("by a WebSocket: a refusal ends the iteration with the server's reason", async () => {
  const server = await startScriptedServer();
  const next = rejection(
    socketClient(server.url)
      .events.subscribe({ topics: ["room/x"] })
      .next(),
  );
  const socket = await server.nextSocket();
  const { id } = (await socket.nextFrame()) as { id: string };
  socket.say({ op: "subscribe", id, ...refused(403, 7, "TOPIC_FORBIDDEN") });
  expect(await next).toMatchObject({
    name: "BackstayError",
    code: "permission_denied",
    reason: "TOPIC_FORBIDDEN",
    message: "refused",
    metadata: { a: "b" },
  });
  await socket.closed;
});

test("by a WebSocket: silence is left for another connection", async () => {
  const server = await startScriptedServer();
  const events = socketClient(server.url).events.subscribe({}, { heartbeatTimeoutMs: 500 });
  const taken = take(events, 1);
  const socket = await nextSubscription(server);
  socket.say(ready("c0"));
  const resumed = await nextSubscription(server);
  await socket.closed;
  resumed.say(event(1));
  expect(await taken).toEqual(ids(1, 1));
  await events.return();
});

test("by a WebSocket: a consumer who is far behind leaves it, and loses nothing", async () => {
  const server = await startScriptedServer();
  const events = socketClient(server.url).events.subscribe();
  const first = take(events, 1);
  const socket = await nextSubscription(server);
  socket.say(ready("c0"));
  for (let n = 1; n <= 1_500; n++) socket.say(event(n));
  expect(await first).toEqual(ids(1, 1));
  await socket.closed;
  const rest = take(events, 1_499);
  const resumed = await nextSubscription(server);
  const after = Number(String(resumed.request.afterCursor).slice(1));
  expect(after).toBeGreaterThanOrEqual(1_000);
  expect(after).toBeLessThan(1_500);
  for (let n = after; n <= 1_500; n++) resumed.say(event(n));
  expect(await rest).toEqual(ids(2, 1_500));
  await events.return();
});

test("by a WebSocket: a token is renewed before it ends, and told to the server without a break", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const client = socketClient(server.url, { store: memoryStore(keptTokens(1, 30_400)) });
  const events = client.events.subscribe();
  const taken = take(events, 1);
  const socket = await nextSubscription(server);
  expect(socket.bearer).toBe("access-1");
  socket.say(ready("c0"));
  const auth = (await socket.nextFrame()) as Record<string, unknown>;
  expect(auth).toMatchObject({ op: "auth", token: "access-2" });
  socket.sayFrame({ op: "auth", id: auth.id, status: 200, accountId: "ada" });
  socket.say(event(1));
  expect(await taken).toEqual(ids(1, 1));
  expect(server.upgrades).toHaveLength(1);
  await events.return();
});

test("by a WebSocket: 4401 is answered with a renewed token, and the subscription goes on", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const events = socketClient(server.url, { store: memoryStore(keptTokens(1)) }).events.subscribe();
  const taken = take(events, 2);
  const socket = await nextSubscription(server);
  for (const item of [ready("c0"), event(1)]) socket.say(item);
  socket.close(4401);
  const resumed = await nextSubscription(server);
  expect(resumed.bearer).toBe("access-2");
  expect(resumed.request.afterCursor).toBe("c1");
  resumed.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
  await events.return();
});

test("by a WebSocket: a refused opening is explained by a call, and ends what has no point", async () => {
  const server = await startScriptedServer();
  server.refuseSockets(401);
  server.on(getCurrent, () => {
    throw tokenExpired();
  });
  server.on(refresh, () => {
    throw tokenExpired();
  });
  const client = socketClient(server.url, { store: memoryStore(keptTokens(1)) });
  expect(await rejection(client.events.subscribe().next())).toMatchObject({ reason: "TOKEN_EXPIRED" });
  expect(client.auth.tokens).toBeUndefined();
});

test("by a WebSocket: a token that the server no longer takes is renewed, though the opening does not tell", async () => {
  const server = await startScriptedServer();
  server.refuseSockets(401);
  server.on(getCurrent, (_, { headers }) => {
    if (headers.get("authorization") === "Bearer access-1") throw tokenExpired();
    server.refuseSockets(undefined);
    return {};
  });
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const events = socketClient(server.url, { store: memoryStore(keptTokens(1)) }).events.subscribe();
  const taken = take(events, 1);
  const socket = await nextSubscription(server);
  expect(socket.bearer).toBe("access-2");
  socket.say(event(1));
  expect(await taken).toEqual(ids(1, 1));
  await events.return();
});

test("by a WebSocket: signing out ends the subscription", async () => {
  const server = await startScriptedServer();
  const client = socketClient(server.url, { store: memoryStore(keptTokens(1)) });
  const events = client.events.subscribe();
  const stands = events.ready();
  const socket = await nextSubscription(server);
  socket.say(ready("c0"));
  await stands;
  const next = rejection(events.next());
  await client.auth.signOut();
  expect(await next).toMatchObject({ code: "unauthenticated", reason: "SIGNED_OUT" });
  await socket.closed;
});

test("without a WebSocket a subscription by one ends with a clear error", async () => {
  const server = await startScriptedServer();
  vi.stubGlobal("WebSocket", undefined);
  onTestFinished(() => void vi.unstubAllGlobals());
  const { events } = impatientClient(server.url, { live: "socket" });
  const error = await rejection(events.subscribe().next());
  expect(error).toMatchObject({ code: "failed_precondition", reason: "NO_WEB_SOCKET" });
  expect((error as Error).message).toContain("webSocket");
});

test("a token that cannot stand among sub-protocols is refused without being quoted", async () => {
  const server = await startScriptedServer();
  const error = await rejection(socketClient(server.url, { token: "not a token" }).events.subscribe().next());
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(JSON.stringify([String(error), (error as Error).cause])).not.toContain("not a token");
});

test("auto: where fetch brings no body to read, the subscription goes on by WebSocket, and so do those after it", async () => {
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { webSocket: WebSocket, fetch: bodyless });
  const statuses: string[] = [];
  const events = client.events.subscribe({ afterCursor: "c3" }, { onStatus: ({ status }) => statuses.push(status) });
  const taken = take(events, 2);
  (await server.nextStream()).say(ready("c3"));
  const socket = await nextSubscription(server);
  expect(socket.request.afterCursor).toBe("c3");
  for (const item of [ready("c3"), event(4)]) socket.say(item);
  socket.drop();
  const resumed = await nextSubscription(server);
  resumed.say(event(5));
  expect(await taken).toEqual(ids(4, 5));
  await events.return();
  expect(statuses).toEqual(["connecting", "live", "reconnecting", "closed"]);

  const later = client.events.subscribe();
  const one = take(later, 1);
  (await nextSubscription(server)).say(event(1));
  expect(await one).toEqual(ids(1, 1));
  await later.return();
  expect(server.callsOf({ name: "Subscribe" })).toHaveLength(1);
});

test("auto: behind a proxy that keeps streams until they end, the WebSocket takes over from the same cursor", async () => {
  const clock = stoppedTimers();
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { webSocket: WebSocket });
  const statuses: string[] = [];
  const events = client.events.subscribe({ afterCursor: "c3" }, { onStatus: ({ status }) => statuses.push(status) });
  const taken = take(events, 1);
  const silent = await server.nextStream();
  expect(server.upgrades).toEqual([]);
  clock.advance(5_000);
  const socket = await nextSubscription(server);
  expect(socket.request.afterCursor).toBe("c3");
  for (const item of [ready("c3"), event(4)]) socket.say(item);
  await silent.closed;
  expect(await taken).toEqual(ids(4, 4));
  expect(statuses).toEqual(["connecting", "live"]);
  await events.return();

  const later = client.events.subscribe();
  const stands = later.ready();
  (await nextSubscription(server)).say(ready("c4"));
  await stands;
  expect(server.callsOf({ name: "Subscribe" })).toHaveLength(1);
  await later.return();
});

test("auto: a stream that is only slow to begin is kept when it speaks first", async () => {
  const clock = stoppedTimers();
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { webSocket: WebSocket });
  const events = client.events.subscribe();
  const stands = events.ready();
  const stream = await server.nextStream();
  clock.advance(5_000);
  const socket = await nextSubscription(server);
  stream.say(ready("c0"));
  await stands;
  await socket.closed;
  vi.useRealTimers();
  const taken = take(events, 1);
  stream.drop();
  (await server.nextStream()).say(event(1));
  expect(await taken).toEqual(ids(1, 1));
  await events.return();
});

test("auto: where the WebSocket stops to work as well, streams are tried again", async () => {
  const server = await startScriptedServer();
  let streams = false;
  const fetchHere: typeof fetch = (input, init) => (streams ? fetch(input, init) : bodyless(input, init));
  const client = impatientClient(server.url, { webSocket: WebSocket, fetch: fetchHere });
  const events = client.events.subscribe();
  const taken = take(events, 3);
  (await server.nextStream()).say(ready("c0"));
  const first = await nextSubscription(server);
  for (const item of [ready("c0"), event(1)]) first.say(item);
  await handedOut(events, "c1");
  streams = true;
  server.refuseSockets(404);
  first.drop();
  const stream = await server.nextStream();
  expect(stream.request.afterCursor).toBe("c1");
  for (const item of [ready("c1"), event(2)]) stream.say(item);
  await handedOut(events, "c2");
  const refusals = server.upgrades.length;
  stream.drop();
  (await server.nextStream()).say(event(3));
  expect(await taken).toEqual(ids(1, 3));
  expect(server.upgrades).toHaveLength(refusals);
  await events.return();
});

test("auto: what the server refuses is not asked for a second time by WebSocket", async () => {
  const server = await startScriptedServer();
  const next = rejection(impatientClient(server.url, { webSocket: WebSocket }).events.subscribe().next());
  (await server.nextStream()).end(tokenExpired());
  expect(BackstayError.is(await next, "TOKEN_EXPIRED")).toBe(true);
  expect(server.upgrades).toEqual([]);
});

test("auto: leaving while both ways are tried ends both", async () => {
  const clock = stoppedTimers();
  const server = await startScriptedServer();
  const events = impatientClient(server.url, { webSocket: WebSocket }).events.subscribe();
  const pending = events.next();
  const stream = await server.nextStream();
  clock.advance(5_000);
  const socket = await nextSubscription(server);
  await events.return();
  expect(await pending).toEqual({ done: true, value: undefined });
  await Promise.all([stream.closed, socket.closed]);
});

test.each(["auto", "stream"] as const)(
  "%s without a WebSocket: a fetch without bodies is a clear error",
  async (live) => {
    const server = await startScriptedServer();
    vi.stubGlobal("WebSocket", undefined);
    onTestFinished(() => void vi.unstubAllGlobals());
    const { events } = impatientClient(server.url, { live, fetch: bodyless });
    const next = rejection(events.subscribe().next());
    (await server.nextStream()).say(ready("c0"));
    expect(await next).toMatchObject({
      code: "unimplemented",
      reason: "STREAMS_UNREADABLE",
    });
  },
);

test("two thousand events by sockets that end in every way arrive once each and in order", async () => {
  const server = await startScriptedServer();
  const events = socketClient(server.url).events.subscribe({ afterCursor: "c0" });
  const taken = take(events, 2_000);
  let connections = 0;
  for (let over = false; !over; connections++) {
    const socket = await nextSubscription(server);
    const after = Number(String(socket.request.afterCursor).slice(1));
    const upTo = Math.min(2_000, after + 1 + ((connections * 37) % 90));
    socket.say(ready(`c${after}`));
    for (let n = Math.max(1, after - (connections % 7)); n <= upTo; n++) socket.say(event(n));
    const ends: (() => void)[] = [
      () => socket.end({ status: 200 }),
      () => socket.say(goodbye(1)),
      () => socket.close(1013, "c1"),
      // Not a drop when these are the last, which might be lost with it.
      () => (upTo === 2_000 ? socket.close(1001) : socket.drop()),
      () => socket.close(1001),
    ];
    ends[connections % ends.length]?.();
    over = upTo === 2_000;
  }
  expect(await taken).toEqual(ids(1, 2_000));
  await events.return();
  expect(connections).toBeGreaterThan(30);
});

async function handedOut(events: Subscription, cursor: string) {
  while (events.cursor !== cursor) await new Promise(setImmediate);
}

/** Timers that the test moves; the network runs as usual. */
function stoppedTimers() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  return { advance: (ms: number) => void vi.advanceTimersByTime(ms) };
}
