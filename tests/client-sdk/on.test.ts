import { BackstayError, type Event, type SubscriptionStatus } from "@backstay/client";
import { Code } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { impatientClient } from "./support/client.js";
import { event, gap, momentary, ready } from "./support/events.js";
import { createQueue, deferred } from "./support/queue.js";
import { refusal } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";

/** A callback whose calls can be awaited, and a listener for what becomes of the connection. */
function hearing() {
  const events = createQueue<Event>();
  const statuses = createQueue<SubscriptionStatus>();
  return { events, statuses, onStatus: statuses.push };
}

/** Errors that nobody caught, while the test runs. */
function uncaughtErrors() {
  const errors = createQueue<unknown>();
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", errors.push);
  onTestFinished(() => {
    process.removeListener("uncaughtException", errors.push);
    for (const each of others) process.on("uncaughtException", each);
  });
  return errors;
}

test("calls back with each event, and tells what becomes of the connection", async () => {
  const server = await startScriptedServer();
  const { events, statuses, onStatus } = hearing();
  const listening = impatientClient(server.url).events.on("counter.*", events.push, { onStatus });
  expect(listening.status).toBe("connecting");
  const stream = await server.nextStream();
  expect(stream.request.types).toEqual(["counter.*"]);
  for (const item of [ready("c0"), event(1), event(2)]) stream.say(item);
  expect((await events.take()).id).toBe("event-1");
  expect((await events.take()).id).toBe("event-2");
  expect(listening.status).toBe("live");
  expect(listening.cursor).toBe("c2");

  stream.drop();
  const resumed = await server.nextStream();
  expect(listening.status).toBe("reconnecting");
  expect(resumed.request.afterCursor).toBe("c2");
  for (const item of [ready("c2"), event(2), event(3)]) resumed.say(item);
  expect((await events.take()).id).toBe("event-3");

  listening.close();
  await resumed.closed;
  const told = await Promise.all(Array.from({ length: 5 }, statuses.take));
  expect(told.map(({ status }) => status)).toEqual(["connecting", "live", "reconnecting", "live", "closed"]);
  expect(told.at(-1)).toEqual({ status: "closed" });
});

test("says to the server which events, after what, matching what, and how to be seen", async () => {
  const server = await startScriptedServer();
  const asked = { topics: ["room/lobby"], afterCursor: "c7", match: "ad+", presence: { mood: "calm", at: [1, 2] } };
  const listening = impatientClient(server.url).events.on(["chat.*", "presence.join"], () => {}, asked);
  const { request } = await server.nextStream();
  expect(request).toMatchObject({ ...asked, types: ["chat.*", "presence.join"] });
  listening.close();
});

test("* is every type", async () => {
  const server = await startScriptedServer();
  const listening = impatientClient(server.url).events.on("*", () => {});
  expect((await server.nextStream()).request.types).toEqual([]);
  listening.close();
});

test("the next event waits for the promise of the one before, and the cursor for both", async () => {
  const server = await startScriptedServer();
  const called = createQueue<string>();
  const dealtWith = deferred<void>();
  const listening = impatientClient(server.url).events.on("*", async ({ id }) => {
    called.push(id);
    if (id === "event-1") await dealtWith.promise;
  });
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), event(2)]) stream.say(item);
  expect(await called.take()).toBe("event-1");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(listening.cursor).toBe("c1");
  dealtWith.resolve();
  expect(await called.take()).toBe("event-2");
  listening.close();
});

test("what the callback throws is reported as uncaught, and the next event follows", async () => {
  const server = await startScriptedServer();
  const errors = uncaughtErrors();
  const called = createQueue<string>();
  const listening = impatientClient(server.url).events.on("*", ({ id }) => {
    called.push(id);
    throw new Error(`cannot show ${id}`);
  });
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), event(2)]) stream.say(item);
  expect(await errors.take()).toEqual(new Error("cannot show event-1"));
  expect(await errors.take()).toEqual(new Error("cannot show event-2"));
  listening.close();
});

test("nothing is called back after close(), not even what has arrived", async () => {
  const server = await startScriptedServer();
  const called: string[] = [];
  const { statuses, onStatus } = hearing();
  const listening = impatientClient(server.url).events.on(
    "*",
    ({ id }) => {
      called.push(id);
      listening.close();
    },
    { onStatus },
  );
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), event(2), event(3)]) stream.say(item);
  while ((await statuses.take()).status !== "closed");
  await stream.closed;
  expect(called).toEqual(["event-1"]);
  expect(listening.status).toBe("closed");
});

test("a gap is told, and the events after it wait until it was made up for", async () => {
  const server = await startScriptedServer();
  const { events } = hearing();
  const gaps = createQueue<{ from: string; to: string }>();
  const onGap = gaps.push;
  const listening = impatientClient(server.url).events.on("*", events.push, { afterCursor: "c1", onGap });
  const stream = await server.nextStream();
  for (const item of [ready("c9"), gap("c1", "c9"), event(10)]) stream.say(item);
  expect(await gaps.take()).toEqual({ from: "c1", to: "c9" });
  expect((await events.take()).id).toBe("event-10");
  listening.close();
});

test("closed comes with the error when there is no point in going on: a gap that nobody takes, or a refusal", async () => {
  const server = await startScriptedServer();
  for (const [end, reason] of [
    [gap("c1", "c9"), "EVENT_GAP"],
    [refusal(Code.PermissionDenied, "TOPIC_FORBIDDEN"), "TOPIC_FORBIDDEN"],
  ] as const) {
    const { statuses, onStatus } = hearing();
    impatientClient(server.url).events.on("*", () => {}, { afterCursor: "c1", onStatus });
    const stream = await server.nextStream();
    if (end instanceof Error) stream.end(end);
    else stream.say(end);
    let last = await statuses.take();
    while (last.status !== "closed") last = await statuses.take();
    expect(last.error).toBeInstanceOf(BackstayError);
    expect(last.error?.reason).toBe(reason);
  }
});

test("without onStatus an end that was not wanted is reported as uncaught", async () => {
  const server = await startScriptedServer();
  const errors = uncaughtErrors();
  const listening = impatientClient(server.url).events.on("*", () => {});
  (await server.nextStream()).end(refusal(Code.PermissionDenied, "TOPIC_FORBIDDEN"));
  expect(await errors.take()).toMatchObject({ name: "BackstayError", reason: "TOPIC_FORBIDDEN" });
  expect(listening.status).toBe("closed");
});

test("the signal closes it quietly", async () => {
  const server = await startScriptedServer();
  const given = new AbortController();
  const { statuses, onStatus } = hearing();
  impatientClient(server.url).events.on("*", () => {}, { signal: given.signal, onStatus });
  const stream = await server.nextStream();
  given.abort();
  await stream.closed;
  expect([await statuses.take(), await statuses.take()]).toEqual([{ status: "connecting" }, { status: "closed" }]);
});

test("an event of the moment is handed out, once, and does not move the position", async () => {
  const server = await startScriptedServer();
  const { events } = hearing();
  const listening = impatientClient(server.url).events.on("*", events.push);
  const stream = await server.nextStream();
  for (const item of [ready("c0"), event(1), momentary("join"), momentary("join"), momentary("leave")])
    stream.say(item);
  expect((await events.take()).id).toBe("event-1");
  expect(await events.take()).toMatchObject({ id: "join", cursor: "" });
  expect((await events.take()).id).toBe("leave");
  expect(listening.cursor).toBe("c1");
  stream.drop();
  const resumed = await server.nextStream();
  expect(resumed.request.afterCursor).toBe("c1");
  listening.close();
});

test("`*` among types is all of them", async () => {
  const server = await startScriptedServer();
  const { events } = hearing();
  const listening = impatientClient(server.url).events.on(["*", "chat.line"], events.push);
  expect((await server.nextStream()).request.types).toEqual([]);
  listening.close();
});
