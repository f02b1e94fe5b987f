import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { jsonText } from "../../../server/platform/jobs/json-text.js";
import { storable, wordsOfError } from "../../../server/platform/jobs/words.js";

it("keeps of an error its name, its message and where it was thrown, without the folders of this machine", () => {
  const words = wordsOfError(new RangeError("too far"));
  expect(words).toMatch(/^RangeError: too far\n {4}at tests\/platform\/jobs\/words\.test\.ts:\d+:\d+\n/);
  expect(words).not.toContain(process.cwd());
  expect(words).not.toMatch(/[(\s]\//);
});

it("names packages, and files elsewhere, by what is no folder of this machine", () => {
  const error = new Error("odd");
  error.stack = [
    "Error: odd",
    "    at parse (file:///home/ada/app/node_modules/@a/pkg/lib/x.js:1:2)",
    "    at run (/home/ada/secret place/y.js:3:4)",
    "    at async /opt/z.js:5:6",
    "    at eval (eval at load (/opt/my app/t.js:7:8), <anonymous>:1:1)",
    "    at node:internal/process:1:1",
  ].join("\n");
  expect(wordsOfError(error).split("\n").slice(1)).toEqual([
    "    at parse (@a/pkg/lib/x.js:1:2)",
    "    at run (y.js:3:4)",
    "    at async z.js:5:6",
    "    at eval (eval at load (t.js:7:8), <anonymous>:1:1)",
  ]);
});

it("says of what is no error what it is", () => {
  const loop: unknown[] = [];
  loop.push(loop);
  const thrown = ["text", 7, undefined, { code: 1 }, loop, 1n];
  expect(thrown.map(wordsOfError)).toEqual([
    "thrown: text",
    "thrown: 7",
    "thrown: undefined",
    'thrown: {"code":1}',
    "thrown: object",
    "thrown: bigint",
  ]);
});

it("says something of everything", () => {
  const looked = () => {
    throw new Error("do not look");
  };
  const odd = [
    Object.assign(new Error("no stack"), { stack: null }),
    Object.assign(new Error("a stack of another kind"), { stack: [{}] }),
    Object.assign(new Error(), { message: Symbol("mark") }),
    Object.assign(new Error(), { message: { toString: looked } }),
    Object.defineProperty(new Error("no look"), "stack", { get: looked }),
    new Proxy({}, { getPrototypeOf: looked }),
    Object.create(null),
  ];
  expect(odd.map((error) => wordsOfError(error).split("\n")[0])).toEqual([
    "Error: no stack",
    "Error: a stack of another kind",
    "Error: Symbol(mark)",
    "thrown: what cannot be put into words",
    "Error: no look",
    "thrown: what cannot be put into words",
    "thrown: {}",
  ]);
});

it("makes any text one that the database takes, of 4,000 characters at most", () => {
  expect(storable("a\0b\ud800c\udfffd\u{1f41f}")).toBe("ab\ufffdc\ufffdd\u{1f41f}");
  expect(storable("x".repeat(10_000))).toHaveLength(4_000);
  // A pair that the cut falls into.
  expect(storable(`${"x".repeat(3_999)}\u{1f41f}`)).toBe(`${"x".repeat(3_999)}\ufffd`);
});

it("keeps JSON as it is, and says what is none", async () => {
  expect([undefined, null].map((value) => jsonText(value, "It"))).toEqual([null, null]);
  expect(jsonText({ at: new Date(0), text: "\\u0000 \u{1f41f}", no: undefined }, "It")).toBe(
    '{"at":"1970-01-01T00:00:00.000Z","text":"\\\\u0000 \u{1f41f}"}',
  );
  const refused: [unknown, RegExp][] = [
    [1n, /^It is no JSON: /],
    [() => sleep(0), /^It is no JSON, but a function$/],
    ["a\0b", /NUL/],
    ["\ud800", /Unicode/],
    ["x".repeat(256 * 1024), /larger than 256 KiB/],
  ];
  for (const [value, why] of refused) expect(() => jsonText(value, "It")).toThrow(why);
});
