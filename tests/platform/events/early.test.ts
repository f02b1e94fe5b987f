import { expect, it } from "vitest";
import { earlyEvents } from "../../../server/platform/events/early.js";
import type { LoggedEvent } from "../../../server/platform/events/index.js";

const event = (offset: number, length = 5) => ({ offset, data: "x".repeat(length) }) as LoggedEvent;
const kept = (early: ReturnType<typeof earlyEvents>) =>
  Array.from({ length: 20 }, (_, offset) => offset).filter((offset) => early.has(offset));

it("gives each event once, by its offset", () => {
  const early = earlyEvents({ events: 10, length: 100 });
  early.keep(event(3));
  expect(early.take(2)).toBeUndefined();
  expect(early.take(3)).toEqual(event(3));
  expect(early.take(3)).toBeUndefined();
});

it("keeps no more events than it may, and has room again for those that are taken or forgotten", () => {
  const early = earlyEvents({ events: 3, length: 100 });
  for (const offset of [1, 2, 3, 4]) early.keep(event(offset));
  expect(kept(early)).toEqual([1, 2, 3]);
  early.take(1);
  early.keep(event(5));
  early.forget(3);
  expect(kept(early)).toEqual([5]);
  for (const offset of [6, 7, 8]) early.keep(event(offset));
  expect(kept(early)).toEqual([5, 6, 7]);
});

it("keeps no more of their data than it may, counting each once", () => {
  const early = earlyEvents({ events: 10, length: 20 });
  for (const offset of [1, 2, 2, 2, 3, 4, 5]) early.keep(event(offset));
  expect(kept(early)).toEqual([1, 2, 3, 4]);
  early.keep(event(6, 21));
  expect(kept(early)).toEqual([1, 2, 3, 4]);
  early.forget(2);
  early.keep(event(7, 10));
  expect(kept(early)).toEqual([3, 4, 7]);
});
