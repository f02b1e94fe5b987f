import { describe, expect, it } from "vitest";
import { compatEvent } from "../../../server/domains/events/index.js";

const at = (type: string, data: Record<string, unknown>) => compatEvent({ type, time: 1_700_000_000_000, data });

describe("an event as the predecessor writes it", () => {
  it("has its path, its time in milliseconds and its type, in this order", () => {
    expect(JSON.stringify(at("message.add", { text: "Hello" }))).toBe(
      '{"path":"/message/add","mtime":1700000000000,"type":""}',
    );
  });

  it.each<[string, string, Record<string, unknown>, string]>([
    ["1 of a message with an image", "message.add", { imageUrl: "/v1/messages/x/image" }, "1"],
    ["empty of a message without one", "message.add", { imageUrl: "" }, ""],
    ["the kind of a connection", "connection.add", { peerId: "x", type: "like" }, "like"],
    ["the kind of a connection that is gone", "connection.del", { peerId: "x", type: "follow" }, "follow"],
    ["empty of a connection without one", "connection.add", {}, ""],
    ["what was remembered", "history.add", { id: "x", type: "visit", data: { type: "other" } }, "visit"],
    ["empty of what was remembered without one", "history.add", { id: "x", data: { type: "other" } }, ""],
    ["the names of the counters that rose", "counter.incr", { deltas: { ping: "1", like0: "2" } }, "ping,like0"],
    ["empty of any other event", "account.update", { changed: ["name"], type: "x" }, ""],
  ])("its type is %s", (_, type, data, expected) => {
    expect(at(type, data).type).toBe(expected);
  });
});
