import { eventData, MessageSchema, timestampDate, timestampFromDate } from "@backstay/client";
import { describe, expect, test } from "vitest";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { event, ready } from "./support/events.js";
import { startScriptedServer } from "./support/scripted-server.js";

const NOON = new Date("2026-11-22T12:00:00.123Z");

describe.each([
  ["binary", "proto"],
  ["json", "json"],
] as const)("with the format %s", (format, subtype) => {
  test("calls and their answers go over whole", async () => {
    const server = await startScriptedServer();
    server.on(MessageService.method.sendMessage, ({ recipientId, text }) => ({
      message: { id: "1", recipientId, text, createTime: timestampFromDate(NOON) },
    }));
    const client = impatientClient(server.url, { format });
    const { message } = await client.messages.sendMessage({ recipientId: "grace", text: "héllo" });
    expect(server.calls[0]?.headers.get("content-type")).toBe(`application/${subtype}`);
    expect(message).toMatchObject({ id: "1", recipientId: "grace", text: "héllo" });
    expect(message?.createTime && timestampDate(message.createTime)).toEqual(NOON);
    expect(message?.readTime).toBeUndefined();
  });

  test("event data is the typed resource, and fields of a newer server are left out", async () => {
    const server = await startScriptedServer();
    const events = impatientClient(server.url, { format }).events.subscribe();
    const next = events.next();
    const stream = await server.nextStream();
    const data = { id: "1", senderId: "ada", text: "hi", createTime: NOON.toISOString(), addedLater: { a: [1] } };
    stream.say(ready("c0"));
    stream.say({ case: "event", value: { ...event(1).value, data } });
    const { value } = await next;
    if (!value) throw new Error("expected an event");
    expect(stream.headers.get("content-type")).toBe(`application/connect+${subtype}`);
    const message = eventData(value, MessageSchema);
    expect(message).toMatchObject({ id: "1", senderId: "ada", text: "hi", recipientId: "" });
    expect(message.createTime && timestampDate(message.createTime)).toEqual(NOON);
    await events.return();
  });
});

test("an event without data gives a message with nothing set, and data of another kind throws", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe();
  const first = events.next();
  const stream = await server.nextStream();
  stream.say(event(1));
  stream.say({ case: "event", value: { ...event(2).value, data: { text: 7 } } });
  const empty = (await first).value;
  const wrong = (await events.next()).value;
  if (!empty || !wrong) throw new Error("expected two events");
  expect(eventData(empty, MessageSchema).text).toBe("");
  expect(await rejection(Promise.resolve().then(() => eventData(wrong, MessageSchema)))).toBeInstanceOf(Error);
  await events.return();
});
