import { durationFromMs } from "@backstay/client";
import { expect, test } from "vitest";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { impatientClient } from "./support/client.js";
import { unavailable } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";

const { publish, poll, listPresence } = EventService.method;

test("publish says something in a topic, and is repeated under one key until the server has it", async () => {
  const server = await startScriptedServer();
  let request: unknown;
  server.on(publish, (asked) => {
    request = asked;
    return { event: { id: "event-1", type: asked.type } };
  });
  const { events } = impatientClient(server.url);
  const said = { topic: "room/lobby", type: "chat.line", data: { text: "Hello" }, ephemeral: true };
  expect((await events.publish(said)).event?.id).toBe("event-1");
  expect(request).toMatchObject(said);

  let refusals = 0;
  server.on(publish, (asked) => {
    if (refusals++ < 2) throw unavailable();
    return { event: { id: "event-2", type: asked.type } };
  });
  expect((await events.publish(said)).event?.id).toBe("event-2");
  const [, ...keys] = server.callsOf(publish).map(({ headers }) => headers.get("idempotency-key"));
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^\S{16,}$/);
});

test("listPresence tells who is there", async () => {
  const server = await startScriptedServer();
  server.on(listPresence, ({ topic }) => ({ presences: [{ accountId: "ada", data: { topic } }] }));
  const { presences } = await impatientClient(server.url).events.listPresence({ topic: "room/lobby" });
  expect(presences).toMatchObject([{ accountId: "ada", data: { topic: "room/lobby" } }]);
});

test("poll may take as long as it was asked to wait and gather, on top of the client's time-out", async () => {
  const server = await startScriptedServer();
  server.on(poll, () => ({ cursor: "c1" }));
  const { events } = impatientClient(server.url, { timeoutMs: 1_000 });
  await events.poll({ wait: durationFromMs(20_000), gather: durationFromMs(5_500) });
  await events.poll();
  await events.poll({}, { timeoutMs: 700 });
  const allowed = server.callsOf(poll).map(({ headers }) => Number(headers.get("connect-timeout-ms")));
  expect(allowed[0]).toBeGreaterThan(25_500);
  expect(allowed[0]).toBeLessThanOrEqual(26_500);
  expect(allowed[1]).toBeGreaterThan(600_000);
  expect(allowed[2]).toBeLessThanOrEqual(700);
});

test("a client without a time-out polls without one", async () => {
  const server = await startScriptedServer();
  server.on(poll, () => ({ cursor: "c1" }));
  await impatientClient(server.url, { timeoutMs: 0 }).events.poll();
  expect(server.callsOf(poll)[0]?.headers.get("connect-timeout-ms")).toBeNull();
});
