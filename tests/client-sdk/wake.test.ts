import type { SubscriptionStatus } from "@backstay/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { impatientClient } from "./support/client.js";
import { event, ids, ready, take } from "./support/events.js";
import { startPage } from "./support/page.js";
import { createQueue } from "./support/queue.js";
import { startScriptedServer } from "./support/scripted-server.js";

/** A clock that the test moves; other timers and the network run as usual. */
function stoppedClock() {
  vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
}

/** The machine sleeps: its clock goes on, its timers do not. */
function sleep(ms: number) {
  vi.setSystemTime(Date.now() + ms);
  vi.advanceTimersByTime(2_000);
}

/** A client that waits an hour between connections, and a subscription that stands. */
async function standing() {
  const server = await startScriptedServer();
  const statuses = createQueue<SubscriptionStatus>();
  const hour = { minDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
  const client = impatientClient(server.url, { reconnect: hour });
  const events = client.events.subscribe({}, { onStatus: statuses.push });
  const taken = take(events, 2);
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  stream.say(event(1));
  while (events.cursor !== "c1") await new Promise(setImmediate);
  onTestFinished(() => void events.return());
  return { server, events, statuses, stream, taken };
}

test("after sleep a connection is left at once, without waiting for its silence to be long", async () => {
  stoppedClock();
  const { server, stream, taken } = await standing();
  sleep(25_000);
  await stream.closed;
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c1");
  resumed.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
});

test("after a nap that the server's heartbeats can explain the connection stays", async () => {
  stoppedClock();
  const { server, stream, taken } = await standing();
  sleep(12_000);
  stream.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
  expect(server.callsOf({ name: "Subscribe" })).toHaveLength(1);
});

test("after sleep nobody waits out the pause between connections", async () => {
  stoppedClock();
  const { server, statuses, stream, taken } = await standing();
  stream.drop();
  while ((await statuses.take()).status !== "reconnecting");
  sleep(60_000);
  (await server.nextStream()).say(event(2));
  expect(await taken).toEqual(ids(1, 2));
});

test.each(["online", "pageshow", "visibilitychange"])("%s ends the pause between connections", async (type) => {
  const page = startPage();
  const { server, statuses, stream, taken } = await standing();
  stream.drop();
  while ((await statuses.take()).status !== "reconnecting");
  page.tell(type);
  (await server.nextStream()).say(event(2));
  expect(await taken).toEqual(ids(1, 2));
});

test("online leaves a connection of the network before; offline changes nothing, as the connection may outlive it", async () => {
  const page = startPage();
  const { server, stream, taken } = await standing();
  page.tell("offline");
  page.tell("visibilitychange");
  page.tell("online");
  await stream.closed;
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c1");
  expect(server.callsOf({ name: "Subscribe" })).toHaveLength(2);
  resumed.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
});

test("a page that is hidden is no reason to do anything", async () => {
  const page = startPage();
  const { server, statuses, stream, taken } = await standing();
  stream.drop();
  while ((await statuses.take()).status !== "reconnecting");
  page.hide();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(server.callsOf({ name: "Subscribe" })).toHaveLength(1);
  page.tell("online");
  (await server.nextStream()).say(event(2));
  await taken;
});

test("nothing of the page is listened to any more when subscriptions and sockets are over", async () => {
  const page = startPage();
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { webSocket: WebSocket, token: "t" });
  const looped = (async () => {
    for await (const _ of client.events.subscribe()) break;
  })();
  const stream = await server.nextStream();
  const listening = client.events.on("*", () => {});
  await server.nextStream();
  const given = new AbortController();
  const stopped = client.events.subscribe({}, { signal: given.signal });
  const next = stopped.next();
  await server.nextStream();
  const socket = client.socket();
  await server.nextSocket();
  expect(page.listeners()).toBe(3 * 4);

  stream.say(event(1));
  await looped;
  listening.close();
  given.abort();
  await next;
  socket.close();
  while (page.listeners() > 0) await new Promise(setImmediate);
});
