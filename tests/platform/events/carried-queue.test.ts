import { expect, it } from "vitest";
import { carriedQueue } from "../../../server/platform/events/carried-queue.js";
import type { LoggedEvent } from "../../../server/platform/events/index.js";

const events = (...offsets: number[]) => offsets.map((offset) => ({ offset, data: "12345" }) as LoggedEvent);
const offsets = (list: readonly LoggedEvent[]) => list.map(({ offset }) => offset);

it("gives what waits in runs without gaps, as much as is asked for", () => {
  const queue = carriedQueue({ events: 100, length: 500 });
  expect(queue.run(10)).toEqual([]);
  queue.offer(events(3, 4, 5));
  queue.offer(events(6, 9, 10));
  expect(offsets(queue.run(10))).toEqual([3, 4, 5, 6]);
  expect(offsets(queue.run(2))).toEqual([3, 4]);
  queue.done(4);
  expect(offsets(queue.run(10))).toEqual([5, 6]);
  queue.done(7);
  expect(offsets(queue.run(10))).toEqual([9, 10]);
  queue.done(10);
  expect(queue.run(10)).toEqual([]);
});

it("forgets what is too much for it, but not how much that is", () => {
  const queue = carriedQueue({ events: 4, length: 500 });
  queue.offer(events(1, 2, 3));
  queue.offer(events(4, 5));
  expect(queue.run(10)).toEqual([]);
  queue.offer(events(6));
  expect(offsets(queue.run(10))).toEqual([6]);
  expect(queue.behind().events).toBe(6);
});

it("is bounded by the length of what it holds, too", () => {
  const queue = carriedQueue({ events: 100, length: 20 });
  queue.offer(events(1, 2, 3, 4));
  queue.done(2);
  queue.offer(events(5, 6));
  expect(offsets(queue.run(10))).toEqual([3, 4, 5, 6]);
  queue.offer(events(7));
  expect(queue.run(10)).toEqual([]);
});

it("says how many are to be carried, and since when the oldest is", async () => {
  const queue = carriedQueue({ events: 100, length: 500 });
  expect(queue.behind()).toEqual({ events: 0, ms: 0 });
  queue.offer(events(1, 2, 3));
  await new Promise((resolve) => setTimeout(resolve, 30));
  queue.offer(events(4));
  expect(queue.behind()).toEqual({ events: 4, ms: expect.any(Number) });
  expect(queue.behind().ms).toBeGreaterThan(25);
  queue.done(3);
  expect(queue.behind().events).toBe(1);
  expect(queue.behind().ms).toBeLessThan(25);
  queue.done(4);
  expect(queue.behind()).toEqual({ events: 0, ms: 0 });
});

it("counts again what turns out to be carried no more", () => {
  const queue = carriedQueue({ events: 100, length: 500 });
  queue.offer(events(1, 2, 3));
  queue.done(3);
  queue.done(0);
  queue.expect(3);
  expect(queue.behind().events).toBe(3);
});

it("stays small however many moments there are", () => {
  const queue = carriedQueue({ events: 10, length: 50 });
  for (let n = 1; n <= 100_000; n++) queue.offer(events(n));
  expect(queue.behind().events).toBe(100_000);
  queue.done(99_999);
  expect(queue.behind().events).toBe(1);
});
