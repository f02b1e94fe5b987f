import { expect, it } from "vitest";
import { didYouMean } from "../../server/kernel/nearest.js";

it.each([
  ["pnig", ["ping", "score"], "ping"],
  ["events.hartbeat", ["events.heartbeat", "events.retention"], "events.heartbeat"],
  // A third of what was written.
  ["MessageService/DeletMessag", ["MessageService/DeleteMessages", "Health/List"], "MessageService/DeleteMessages"],
])("%s: perhaps one of %j", (name, names, like) => {
  expect(didYouMean(name, names)).toBe(`; did you mean ${like}?`);
});

it.each([
  ["zork", ["ping", "score"]],
  ["no", ["on"]],
  ["", ["a"]],
  ["Nope/*", ["Health/List"]],
  ["ping", []],
])("%s: none of %j is like it", (name, names) => {
  expect(didYouMean(name, names)).toBe("");
});
