import {
  BackstayError,
  type ClientOptions,
  memoryStore,
  type SocketMessage,
  type SubscriptionStatus,
} from "@backstay/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { startPage } from "./support/page.js";
import { createQueue } from "./support/queue.js";
import { tokenExpired } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";
import { keptTokens, servedTokens } from "./support/tokens.js";

const { refresh, getCurrent, signIn } = AuthService.method;

/** A client with sockets, the queue of what they bring, and of what becomes of them. */
async function startSockets(options: ClientOptions = {}) {
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { webSocket: WebSocket, ...options });
  const messages = createQueue<SocketMessage>();
  const statuses = createQueue<SubscriptionStatus>();
  const told = { onMessage: messages.push, onStatus: statuses.push };
  const until = async (wanted: SubscriptionStatus["status"]) => {
    for (;;) {
      const next = await statuses.take();
      if (next.status === wanted) return next;
    }
  };
  return { server, client, messages, told, until };
}

/** The refusal of a frame. */
const refusedFrame = (status: number, code: number, reason: string) => ({
  status,
  code,
  message: "refused",
  details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "backstay" }],
});

test("opens at a path with a query, the token apart from it, and carries URLs and objects both ways", async () => {
  const { server, client, messages, told, until } = await startSockets({ token: "secret-token" });
  const socket = client.socket("/project/ws", { query: { id: "1", name: "a b&c" }, ...told });
  expect(socket.status).toBe("connecting");
  const served = await server.nextSocket();
  expect(served.url).toBe("/project/ws?id=1&name=a+b%26c");
  expect(served.bearer).toBe("secret-token");
  await until("live");
  expect(socket.status).toBe("live");

  socket.send("/v1/messages?pageSize=3");
  expect(await served.nextFrame()).toBe("/v1/messages?pageSize=3");
  served.say({ op: "/v1/messages", status: 200, messages: [] });
  expect(await messages.take()).toEqual({ op: "/v1/messages", status: 200, messages: [] });

  socket.send({ op: "/project/update", project: { id: 1 } });
  expect(await served.nextFrame()).toEqual({ op: "/project/update", project: { id: 1 } });
  served.say({ op: "/message/new", message: { text: "Hello" } });
  expect(await messages.take()).toEqual({ op: "/message/new", message: { text: "Hello" } });

  socket.close();
  expect(await until("closed")).toEqual({ status: "closed" });
  await served.closed;
});

test("on() adds listeners, and its answer removes them", async () => {
  const { server, client } = await startSockets();
  const socket = client.socket();
  const [one, two] = [createQueue<SocketMessage>(), createQueue<SocketMessage>()];
  const stop = socket.on("message", one.push);
  socket.on("message", two.push);
  const served = await server.nextSocket();
  expect(served.url).toBe("/ws");
  expect(served.bearer).toBeUndefined();
  served.say({ op: "first" });
  expect([await one.take(), await two.take()]).toEqual([{ op: "first" }, { op: "first" }]);
  stop();
  served.say({ op: "second" });
  expect(await two.take()).toEqual({ op: "second" });
  one.push({ op: "nothing came between" });
  expect(await one.take()).toEqual({ op: "nothing came between" });
  socket.close();
});

test("requests are answered by path in the order they were sent, and by id in any", async () => {
  const { server, client, messages, told } = await startSockets();
  const socket = client.socket("/ws", told);
  const served = await server.nextSocket();
  const first = socket.request("/v1/counters?names=a");
  socket.send("/v1/counters?names=b");
  const third = socket.request("/v1/counters?names=c");
  const other = socket.request("/v1/ping");
  const named = socket.request({ op: "publish", id: "mine", type: "chat.line" });
  const unnamed = socket.request({ op: "publish", type: "chat.line" });
  const frames = [];
  for (let n = 0; n < 6; n++) frames.push(await served.nextFrame());
  expect(frames[4]).toEqual({ op: "publish", id: "mine", type: "chat.line" });
  const { id } = frames[5] as { id: string };

  served.say({ op: "publish", id, status: 200, event: { id: "2" } });
  served.say({ op: "publish", id: "mine", status: 200, event: { id: "1" } });
  served.say({ op: "/v1/ping", status: 200 });
  for (const value of ["a", "b", "c"]) served.say({ op: "/v1/counters", status: 200, value });
  served.say({ op: "/v1/counters", value: "not an answer" });
  expect(await first).toEqual({ op: "/v1/counters", status: 200, value: "a" });
  expect(await third).toMatchObject({ value: "c" });
  expect(await other).toEqual({ op: "/v1/ping", status: 200 });
  expect(await named).toMatchObject({ event: { id: "1" } });
  expect(await unnamed).toMatchObject({ event: { id: "2" } });
  expect(await messages.take()).toMatchObject({ value: "b" });
  expect(await messages.take()).toEqual({ op: "/v1/counters", value: "not an answer" });
  socket.close();
});

test("a request is refused with the server's reason, whichever way it was asked", async () => {
  const { server, client } = await startSockets();
  const socket = client.socket();
  const served = await server.nextSocket();
  const byPath = rejection(socket.request("/v1/accounts/nobody"));
  const byFrame = rejection(socket.request({ op: "publish", id: "1", topic: "room/x" }));
  await served.nextFrame();
  served.say({ op: "/v1/accounts/nobody", ...refusedFrame(404, 5, "ACCOUNT_NOT_FOUND") });
  served.say({ op: "publish", id: "1", ...refusedFrame(403, 7, "TOPIC_FORBIDDEN") });
  expect(await byPath).toMatchObject({ name: "BackstayError", code: "not_found", reason: "ACCOUNT_NOT_FOUND" });
  expect(await byFrame).toMatchObject({ code: "permission_denied", reason: "TOPIC_FORBIDDEN" });

  const answered = socket.request({ op: "/project/status", id: "2" });
  served.say({ op: "/project/status", id: "2", status: 500, note: "a status of the app's own" });
  expect(await answered).toMatchObject({ status: 500 });
  socket.close();
});

test("a request ends by its time-out or signal, and a late answer is not taken for the next one's", async () => {
  const { server, client, messages, told, until } = await startSockets();
  const socket = client.socket("/ws", told);
  const served = await server.nextSocket();
  await until("live");
  const given = new AbortController();
  const late = rejection(socket.request("/v1/slow", { timeoutMs: 50 }));
  const left = rejection(socket.request("/v1/slow", { signal: given.signal }));
  const next = socket.request("/v1/slow");
  given.abort();
  expect(await late).toMatchObject({ code: "deadline_exceeded" });
  expect(await left).toMatchObject({ code: "canceled" });
  for (const n of [1, 2, 3]) served.say({ op: "/v1/slow", status: 200, n });
  expect(await next).toMatchObject({ n: 3 });
  expect([await messages.take(), await messages.take()]).toMatchObject([{ n: 1 }, { n: 2 }]);
  socket.close();
});

test("what is sent before the socket is open, or while it reconnects, waits for it in order", async () => {
  const { server, client, told, until } = await startSockets();
  const socket = client.socket("/ws", told);
  socket.send({ op: "first" });
  socket.send("/v1/second");
  const served = await server.nextSocket();
  expect(await served.nextFrame()).toEqual({ op: "first" });
  expect(await served.nextFrame()).toBe("/v1/second");

  server.refuseSockets(503);
  served.drop();
  expect(await until("reconnecting")).toMatchObject({ error: { code: "unavailable" } });
  socket.send({ op: "third" });
  const fourth = socket.request("/v1/fourth");
  const given = new AbortController();
  const never = rejection(socket.request({ op: "never sent" }, { signal: given.signal }));
  given.abort();
  expect(await never).toMatchObject({ code: "canceled" });
  server.refuseSockets(undefined);
  const again = await server.nextSocket();
  expect(await again.nextFrame()).toEqual({ op: "third" });
  expect(await again.nextFrame()).toBe("/v1/fourth");
  again.say({ op: "/v1/fourth", status: 200 });
  expect(await fourth).toMatchObject({ status: 200 });
  socket.close();
});

test("no more than 32 messages wait, none is larger than 64 KiB, and none is taken after the end", async () => {
  const { server, client, told, until } = await startSockets();
  server.refuseSockets(503);
  const socket = client.socket("/ws", told);
  for (let n = 0; n < 32; n++) socket.send({ op: "wait", n });
  expect(() => socket.send({ op: "one too many" })).toThrow(expect.objectContaining({ reason: "SEND_BACKLOG" }));
  expect(await rejection(socket.request("/v1/ping"))).toMatchObject({ code: "resource_exhausted" });
  const text = "ä".repeat(32_768);
  expect(() => socket.send({ op: text })).toThrow(expect.objectContaining({ reason: "MESSAGE_TOO_LARGE" }));
  server.refuseSockets(undefined);
  const served = await server.nextSocket();
  for (let n = 0; n < 32; n++) expect(await served.nextFrame()).toEqual({ op: "wait", n });
  const asked = rejection(socket.request("/v1/ping"));
  socket.close();
  expect(() => socket.send({ op: "late" })).toThrow(expect.objectContaining({ reason: "SOCKET_CLOSED" }));
  expect(await rejection(socket.request({ op: "late" }))).toMatchObject({ code: "failed_precondition" });
  expect(await asked).toMatchObject({ reason: "SOCKET_CLOSED" });
  await until("closed");
});

test("a request whose connection breaks before the answer is unavailable, and is not sent again", async () => {
  const { server, client } = await startSockets();
  const socket = client.socket();
  const served = await server.nextSocket();
  const asked = rejection(socket.request({ op: "pay" }));
  await served.nextFrame();
  served.drop();
  expect(BackstayError.is(await asked, "unavailable")).toBe(true);
  const again = await server.nextSocket();
  socket.send({ op: "the next" });
  expect(await again.nextFrame()).toEqual({ op: "the next" });
  socket.close();
});

test.each([
  ["the server stops", 1001, undefined],
  ["too many frames were sent", 1008, "TOO_MANY_FRAMES"],
  ["too much waits to be read", 1013, "SLOW_READER"],
  ["the app closes it for reasons of its own", 4000, ""],
])("reconnects when %s (%i)", async (_, code, reason) => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  onTestFinished(() => void vi.restoreAllMocks());
  const { server, client, told, until } = await startSockets();
  const socket = client.socket("/ws", told);
  (await server.nextSocket()).close(code);
  expect((await until("reconnecting")).error?.reason).toBe(reason);
  await server.nextSocket();
  socket.close();
});

test("is over when the server closes it as done", async () => {
  const { server, client, told, until } = await startSockets();
  const socket = client.socket("/ws", told);
  (await server.nextSocket()).close(1000);
  expect(await until("closed")).toEqual({ status: "closed" });
  expect(socket.status).toBe("closed");
  expect(server.upgrades).toHaveLength(1);
});

test("4401 renews the token first", async () => {
  const { server, client } = await startSockets({ store: memoryStore(keptTokens(1)) });
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const socket = client.socket();
  const served = await server.nextSocket();
  expect(served.bearer).toBe("access-1");
  served.close(4401, "TOKEN_EXPIRED");
  expect((await server.nextSocket()).bearer).toBe("access-2");
  socket.close();
});

test("4401 when the sign-in is really over closes the socket with the reason", async () => {
  const { server, client, told, until } = await startSockets({ store: memoryStore(keptTokens(1)) });
  server.on(refresh, () => {
    throw tokenExpired();
  });
  client.socket("/ws", told);
  (await server.nextSocket()).close(4401, "TOKEN_REVOKED");
  expect((await until("closed")).error).toMatchObject({ code: "unauthenticated", reason: "TOKEN_REVOKED" });
  expect(client.auth.tokens).toBeUndefined();
});

test("close() does not wait for a token that is being renewed", async () => {
  const { server, client, told, until } = await startSockets({ store: memoryStore(keptTokens(1)) });
  const asked = createQueue<true>();
  server.on(refresh, () => {
    asked.push(true);
    return new Promise(() => {});
  });
  const socket = client.socket("/ws", told);
  (await server.nextSocket()).close(4401);
  await asked.take();
  socket.close();
  expect(await until("closed")).toEqual({ status: "closed" });
});

test("an opening that is refused for the token is explained by a call", async () => {
  const { server, client, told, until } = await startSockets({ token: "fixed" });
  server.refuseSockets(401);
  server.on(getCurrent, () => {
    throw tokenExpired();
  });
  client.socket("/ws", told);
  expect((await until("closed")).error).toMatchObject({ code: "unauthenticated", reason: "TOKEN_EXPIRED" });
});

test("a token is renewed before it ends, told to the server, and told again by no mistake", async () => {
  const { server, client, messages, told } = await startSockets({ store: memoryStore(keptTokens(1, 30_400)) });
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const socket = client.socket("/ws", told);
  const served = await server.nextSocket();
  const auth = (await served.nextFrame()) as { id: string };
  expect(auth).toMatchObject({ op: "auth", token: "access-2" });
  served.say({ op: "auth", id: auth.id, status: 200 });
  socket.send({ op: "next" });
  expect(await served.nextFrame()).toEqual({ op: "next" });
  served.say({ op: "the answer to auth is nobody's message" });
  expect(await messages.take()).toEqual({ op: "the answer to auth is nobody's message" });
  socket.close();
});

test("a socket that was nobody's becomes that of whoever signs in, and never goes on as somebody else", async () => {
  const { server, client, told, until } = await startSockets({ store: memoryStore() });
  server.on(signIn, ({ login }) => ({ account: { id: login }, tokens: servedTokens(7), deviceId: login }));
  client.socket("/ws", told);
  const served = await server.nextSocket();
  await until("live");
  await client.auth.signIn({ login: "ada", secret: "s" });
  expect(await served.nextFrame()).toMatchObject({ op: "auth", token: "access-7" });
  server.on(signIn, ({ login }) => ({ account: { id: login }, tokens: servedTokens(8), deviceId: login }));
  await client.auth.signIn({ login: "grace", secret: "s" });
  expect((await until("closed")).error?.reason).toBe("SIGNED_OUT");
  await served.closed;
});

test("a server that says nothing is asked whether it is there, and left when it does not answer", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { server, client, messages, told, until } = await startSockets();
  const socket = client.socket("/ws", { ...told, pingMs: 20_000 });
  const served = await server.nextSocket();
  await until("live");
  vi.advanceTimersByTime(19_000);
  served.say({ op: "news" });
  await messages.take();
  vi.advanceTimersByTime(19_000);
  socket.send({ op: "nothing was asked before this" });
  expect(await served.nextFrame()).toEqual({ op: "nothing was asked before this" });
  vi.advanceTimersByTime(1_000);
  expect(await served.nextFrame()).toBe("/v1/ping");
  served.say({ op: "/v1/ping", status: 200 });
  served.say({ op: "the answer to a ping is nobody's message" });
  expect(await messages.take()).toEqual({ op: "the answer to a ping is nobody's message" });

  vi.advanceTimersByTime(20_000);
  expect(await served.nextFrame()).toBe("/v1/ping");
  vi.advanceTimersByTime(10_000);
  expect((await until("reconnecting")).error?.message).toBe("the server does not answer");
  socket.close();
});

test("a socket that nothing opens is left after 10 s", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { server, client, told, until } = await startSockets();
  server.holdSockets();
  const socket = client.socket("/ws", told);
  while (server.upgrades.length === 0) await new Promise(setImmediate);
  vi.advanceTimersByTime(10_000);
  expect((await until("reconnecting")).error).toMatchObject({ code: "unavailable", reason: "SOCKET_UNOPENED" });
  socket.close();
});

test("after sleep the server is asked at once; online is answered by another connection", async () => {
  const page = startPage();
  const { server, client, until, told } = await startSockets({ token: "t" });
  const socket = client.socket("/ws", told);
  const served = await server.nextSocket();
  await until("live");
  page.tell("visibilitychange");
  expect(await served.nextFrame()).toBe("/v1/ping");
  served.say({ op: "/v1/ping", status: 200 });
  page.tell("online");
  expect(await until("reconnecting")).toMatchObject({ delayMs: 0 });
  await served.closed;
  await server.nextSocket();
  socket.close();
});

test("without a WebSocket there is a clear error; the global one is used where there is one", async () => {
  const server = await startScriptedServer();
  onTestFinished(() => void vi.unstubAllGlobals());
  const client = impatientClient(server.url);
  vi.stubGlobal("WebSocket", undefined);
  expect(() => client.socket()).toThrow(expect.objectContaining({ reason: "NO_WEB_SOCKET" }));
  vi.stubGlobal("WebSocket", WebSocket);
  const socket = client.socket();
  await server.nextSocket();
  socket.close();
});

test("the signal closes it quietly, also before it is open", async () => {
  const { server, client, told, until } = await startSockets();
  server.refuseSockets(503);
  const given = new AbortController();
  client.socket("/ws", { ...told, signal: given.signal });
  await until("reconnecting");
  given.abort();
  expect(await until("closed")).toEqual({ status: "closed" });
  client.socket("/ws", { ...told, signal: AbortSignal.abort() });
  expect(await until("closed")).toEqual({ status: "closed" });
});

test("neither opens at, nor asks for, what is no path: it could name another host", async () => {
  const { client } = await startSockets({ token: "secret-token" });
  expect(() => client.socket("@elsewhere.example/ws")).toThrow(expect.objectContaining({ reason: "NOT_A_PATH" }));
  const socket = client.socket("/ws");
  expect(() => socket.send("v1/ping")).toThrow(expect.objectContaining({ reason: "NOT_A_PATH" }));
  expect(await rejection(socket.request("v1/ping"))).toMatchObject({ reason: "NOT_A_PATH" });
  socket.close();
});
