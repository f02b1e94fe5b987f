import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { createPlaces, type Places } from "../../../server/domains/events/places.js";
import { upTo } from "../support.js";

// What a node remembers of who is where, while a database that is away takes nothing.

const BATCH = 10;

function comeAndGo(places: Places, count: number): void {
  for (const leave of upTo(count).map(() => places.enter("room/1", randomUUID()))) leave();
}

/** What a node tries to write, and cannot. */
function tryInVain(places: Places): number {
  const taken = places.take(BATCH);
  places.failed(taken);
  return taken.length;
}

it("forgets those who came and went and were never written", () => {
  const places = createPlaces(() => {});
  comeAndGo(places, 1_000);
  expect(places.hasChanges()).toBe(false);
});

it("remembers no more than one batch of those who came and went during an outage, however often it is tried", () => {
  const places = createPlaces(() => {});
  for (const _ of upTo(20)) {
    const leaves = upTo(100).map(() => places.enter("room/1", randomUUID()));
    tryInVain(places);
    for (const leave of leaves) leave();
  }
  expect(places.take(10_000)).toHaveLength(BATCH);
});

it("remembers who was there before the outage, and left, and who came and stays", () => {
  const places = createPlaces(() => {});
  const leave = places.enter("room/1", "before");
  places.written(places.take(BATCH));
  leave();
  places.enter("room/1", "stays");
  comeAndGo(places, 100);
  expect(tryInVain(places)).toBe(2);
  const states = places.take(BATCH).map(({ place, isHere }) => `${place.accountId} ${isHere}`);
  expect(states).toEqual(["before false", "stays true"]);
});

it("has nothing left to write, nor to remember, once all is written", () => {
  const places = createPlaces(() => {});
  const leaves = upTo(5).map((n) => places.enter("room/1", `account ${n}`));
  places.written(places.take(BATCH));
  for (const leave of leaves) leave();
  places.written(places.take(BATCH));
  expect(places.hasChanges()).toBe(false);
  places.rewrite({ asNew: false });
  expect(places.take(BATCH)).toEqual([]);
});
