import { expect, it } from "vitest";
import { Mailbox } from "../../../server/domains/events/mailbox.js";
import type { LoggedEvent } from "../../../server/platform/events/index.js";
import { upTo } from "../support.js";

// Where the events of a reader who is behind wait. Offset 0 is of the moment.

const event = (offset: number, size = 2): LoggedEvent => ({
  offset,
  topic: "room/1",
  id: `${offset}`,
  type: "chat.line",
  actorId: null,
  data: "x".repeat(size),
  time: 0,
});

function offsetsOf(box: Mailbox): number[] {
  const offsets: number[] = [];
  for (let next = box.take(); next !== undefined; next = box.take()) offsets.push(next.offset);
  return offsets;
}

it("keeps what lasts and what is of the moment in the order in which they came", () => {
  const box = new Mailbox();
  for (const offset of [1, 0, 2, 0, 3]) expect(box.put(event(offset))).toBe(true);
  expect(offsetsOf(box)).toEqual([1, 0, 2, 0, 3]);
  expect(box.isEmpty).toBe(true);
});

it("holds 256 events that last: one more, and all are lost", () => {
  const box = new Mailbox();
  for (const n of upTo(256)) expect(box.put(event(n))).toBe(true);
  expect(box.put(event(257))).toBe(false);
  expect([box.isOverfull, box.isEmpty, box.put(event(258))]).toEqual([true, true, false]);
  box.clear();
  expect([box.isOverfull, box.put(event(259))]).toEqual([false, true]);
});

it("that is full loses a moment alone", () => {
  const box = new Mailbox();
  for (const n of upTo(256)) box.put(event(n));
  for (const _ of upTo(1_024)) expect(box.put(event(0))).toBe(true);
  expect(box.put(event(0))).toBe(false);
  expect(box.isOverfull).toBe(false);
  expect(offsetsOf(box).filter((offset) => offset > 0)).toEqual(upTo(256));
});

it("holds a mebibyte of data, of which no moment takes anything from what lasts", () => {
  const box = new Mailbox();
  for (const _ of upTo(15)) box.put(event(0, 65_536));
  expect(box.put(event(1, 65_536))).toBe(true);
  expect(box.put(event(0, 1))).toBe(false);
  expect(box.put(event(2, 65_536))).toBe(true);
  expect(box.isOverfull).toBe(false);
  expect(offsetsOf(box)).toEqual([1, 2]);
  for (const n of upTo(16)) expect(box.put(event(n, 65_536))).toBe(true);
  expect([box.put(event(17, 1)), box.isOverfull]).toEqual([false, true]);
});
