import { expect, it } from "vitest";
import { Recent } from "../../../server/domains/auth/recent.js";

it("remembers so many keys, of which the one noted longest ago goes first", () => {
  const recent = new Recent(2);
  recent.note("ada", 1);
  recent.note("ben", 2);
  recent.note("ada", 3);
  recent.note("eve", 4);
  expect(["ada", "ben", "eve"].map((key) => recent.timeOf(key))).toEqual([3, Number.NEGATIVE_INFINITY, 4]);
  recent.forget("ada");
  expect(["ada", "eve"].map((key) => recent.timeOf(key))).toEqual([Number.NEGATIVE_INFINITY, 4]);
});
