import { BackstayError, type EventGap } from "@backstay/client";
import { expect, test } from "vitest";
import { impatientClient, rejection } from "./support/client.js";
import { event, gap, goodbye, heartbeat, ids, ready, take } from "./support/events.js";
import { deferred } from "./support/queue.js";
import { unavailable } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";

test("events arrive one after the other, and the request says which are wanted", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url, { token: "t" }).events.subscribe({
    topics: ["account/ada"],
    types: ["message.*"],
    afterCursor: "c0",
  });
  const taken = take(events, 3);
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), heartbeat("c1"), event(2), event(3)]) stream.say(item);
  expect(await taken).toEqual(ids(1, 3));
  expect(stream.request).toMatchObject({ topics: ["account/ada"], types: ["message.*"], afterCursor: "c0" });
  expect(stream.headers.get("authorization")).toBe("Bearer t");
  await events.return();
});

test("ready() resolves when the stream stands, and takes no event from the loop", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const stands = events.ready();
  const stream = await server.nextStream();
  stream.say(ready("c7"));
  await stands;
  await events.ready();
  expect(events.cursor).toBe("c7");
  stream.say(event(8));
  expect(await take(events, 1)).toEqual(ids(8, 8));
  await events.return();
});

test("events missed while the connection was down arrive after it is back: none lost, none twice", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const taken = take(events, 9);
  const log = Array.from({ length: 9 }, (_, i) => event(i + 1));
  for (const upTo of [2, 5, 9]) {
    const stream = await server.nextStream();
    const after = Number(stream.request.afterCursor.slice(1) || 0);
    stream.say(ready("c0"));
    // The one before is sent again, as at-least-once delivery may.
    for (const item of log.slice(Math.max(0, after - 1), upTo)) stream.say(item);
    if (upTo === 9) break;
    stream.say(heartbeat(`c${upTo}`));
    stream.end();
  }
  expect(await taken).toEqual(ids(1, 9));
  await events.return();
});

test("a connection that breaks in the middle is resumed after the last event that was handed out", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const first = take(events, 2);
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), event(2)]) stream.say(item);
  await first;
  stream.drop();
  const rest = take(events, 1);
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c2");
  resumed.say(ready("c2"));
  resumed.say(event(3));
  expect(await rest).toEqual(ids(3, 3));
  await events.return();
});

test("an event that comes again within the last thousand is left out, and its cursor does not turn back time", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const taken = take(events, 1_001);
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  for (let n = 1; n <= 1_000; n++) stream.say(event(n));
  stream.say(event(1));
  stream.say(event(1_000));
  stream.say(event(1_001));
  expect(await taken).toEqual(ids(1, 1_001));
  expect(events.cursor).toBe("c1001");
  const again = take(events, 1);
  stream.say(event(1_000));
  stream.say(event(1));
  expect(await again).toEqual(ids(1, 1));
  await events.return();
});

test("goodbye is followed by another connection after the time it names, without an error", async () => {
  const server = await startScriptedServer();
  const statuses: unknown[] = [];
  const events = impatientClient(server.url).events.subscribe({}, { onStatus: (status) => statuses.push(status) });
  const taken = take(events, 2);
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), goodbye(30)]) stream.say(item);
  const said = performance.now();
  const resumed = await server.nextStream();
  expect(performance.now() - said).toBeGreaterThanOrEqual(29);
  expect(resumed.request.afterCursor).toBe("c1");
  await stream.closed;
  resumed.say(ready("c1"));
  resumed.say(event(2));
  expect(await taken).toEqual(ids(1, 2));
  await events.return();
  expect(statuses).toEqual([
    { status: "connecting" },
    { status: "live" },
    { status: "reconnecting", delayMs: expect.any(Number) },
    { status: "live" },
    { status: "closed" },
  ]);
});

test("a gap ends the iteration with EVENT_GAP and both cursors, so that nothing is skipped silently", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({ afterCursor: "c1" });
  const next = rejection(events.next());
  const stream = await server.nextStream();
  for (const item of [ready("c9"), gap("c1", "c9"), event(10)]) stream.say(item);
  expect(await next).toMatchObject({
    name: "BackstayError",
    code: "out_of_range",
    reason: "EVENT_GAP",
    metadata: { from: "c1", to: "c9" },
  });
  expect(events.cursor).toBe("c1");
  await stream.closed;
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

test("onGap is told of a gap, and the events after it wait until it has made up for them", async () => {
  const server = await startScriptedServer();
  const gaps: EventGap[] = [];
  const told = deferred<void>();
  const madeUp = deferred<void>();
  const onGap = (each: EventGap) => {
    gaps.push(each);
    told.resolve();
    return madeUp.promise;
  };
  const events = impatientClient(server.url).events.subscribe({ afterCursor: "c1" }, { onGap });
  const order: string[] = [];
  const taken = take(events, 1).then((got) => order.push(...got));
  const stream = await server.nextStream();
  for (const item of [ready("c9"), gap("c1", "c9"), event(10)]) stream.say(item);
  await told.promise;
  expect(events.cursor).toBe("c1");
  order.push("made up");
  madeUp.resolve();
  await taken;
  expect(order).toEqual(["made up", "event-10"]);
  expect(gaps).toEqual([{ from: "c1", to: "c9" }]);
  expect(events.cursor).toBe("c10");
  await events.return();
});

test("an onGap that throws ends the iteration with what it threw", async () => {
  const server = await startScriptedServer();
  const onGap = () => Promise.reject(new TypeError("cannot load"));
  const events = impatientClient(server.url).events.subscribe({ afterCursor: "c1" }, { onGap });
  const next = rejection(events.next());
  const stream = await server.nextStream();
  stream.say(gap("c1", "c9"));
  expect(await next).toEqual(new TypeError("cannot load"));
  await stream.closed;
});

test("a gap that is not heard of because the connection breaks is met again", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({ afterCursor: "c1" });
  const stands = events.ready();
  const stream = await server.nextStream();
  stream.say(ready("c9"));
  await stands;
  stream.drop();
  const next = rejection(events.next());
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c1");
  resumed.say(gap("c1", "c9"));
  expect(BackstayError.is(await next, "EVENT_GAP")).toBe(true);
});

test("in the loop's body the cursor is that of the event in hand; heartbeats move it on when nothing is in hand", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({ afterCursor: "c0" });
  expect(events.cursor).toBe("c0");
  const seen: [string, string][] = [];
  const looped = (async () => {
    for await (const each of events) {
      seen.push([each.cursor, events.cursor]);
      if (seen.length === 3) break;
    }
  })();
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), event(2), heartbeat("c5"), event(6)]) stream.say(item);
  await looped;
  expect(seen).toEqual([
    ["c1", "c1"],
    ["c2", "c2"],
    ["c6", "c6"],
  ]);
});

test("a heartbeat's cursor is where the next connection resumes", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const taken = take(events, 1);
  const stream = await server.nextStream();
  for (const item of [ready("c0"), heartbeat("c4"), goodbye(0)]) stream.say(item);
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c4");
  resumed.say(event(5));
  expect(await taken).toEqual(ids(5, 5));
  await events.return();
});

test("two thousand events over connections that end in every way arrive once each and in order", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({ afterCursor: "c0" });
  const taken = take(events, 2_000);
  let connections = 0;
  let over = false;
  const serving = (async () => {
    while (!over) {
      const stream = await server.nextStream();
      const after = Number(stream.request.afterCursor.slice(1));
      const upTo = Math.min(2_000, after + 1 + ((connections * 37) % 90));
      stream.say(ready(`c${after}`));
      for (let n = Math.max(1, after - (connections % 7)); n <= upTo; n++) stream.say(event(n));
      over = upTo === 2_000 && connections % 4 !== 3;
      if (over) break;
      const end = [() => stream.end(), () => stream.say(goodbye(1)), () => stream.end(unavailable()), stream.drop];
      end[connections++ % 4]?.();
    }
  })();
  expect(await taken).toEqual(ids(1, 2_000));
  await events.return();
  over = true;
  await serving;
  expect(connections).toBeGreaterThan(30);
});
