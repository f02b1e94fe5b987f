import { expect, it } from "vitest";
import { exactJson } from "../../../server/platform/cache/json.js";

it.each([[null], [true], [0], [1.5e300], [""], ["Ünï\u2028"], [[1, [null], {}]], [{ a: { b: [] } }]])(
  "%j is the same once it has been read again",
  (value) => {
    expect(JSON.parse(exactJson(value)!)).toEqual(value);
  },
);

const ring: unknown[] = [];
ring.push(ring);

it.each([
  ["nothing", undefined],
  ["a number that JSON has not", Number.POSITIVE_INFINITY],
  ["a large whole number", 1n],
  ["a function", () => 1],
  ["a moment", new Date(0)],
  ["bytes", Buffer.from("a")],
  ["a map", new Map([["a", 1]])],
  ["an object with nothing by a name", { a: undefined }],
  ["a list with a moment far inside", [[{ a: [new Date(0)] }]]],
  ["what holds itself", ring],
])("%s is not", (_, value) => {
  expect(exactJson(value)).toBe(undefined);
});
