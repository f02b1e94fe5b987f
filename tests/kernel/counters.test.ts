import { describe, expect, it } from "vitest";
import { type CounterOptions, declaredCounters, isDerived } from "../../server/kernel/counters.js";

/** The built-in ones, in their order. */
const BUILT_IN = [
  "dislike0",
  "dislike1",
  "follow0",
  "follow1",
  "invite0",
  "invite1",
  "like0",
  "like1",
  "msg_count",
  "msg_read",
  "ping",
  "view0",
  "view1",
];

describe("the built-in counters", () => {
  it("are always there, by name; ping alone is everybody's to see and raise", () => {
    const all = declaredCounters().all();
    expect(all.map(({ name }) => name)).toEqual(BUILT_IN);
    expect(all.filter((counter) => counter.public)).toEqual([{ name: "ping", public: true, derived: false }]);
    expect(all.filter((counter) => !counter.derived).map(({ name }) => name)).toEqual(["ping"]);
  });
});

describe("a counter that follows rows", () => {
  it.each(["like0", "like1", "gift0", "a1", "super_like_21", `${"x".repeat(32)}0`, "msg_count", "msg_read"])(
    "is known without a declaration: %s",
    (name) => {
      expect(isDerived(name)).toBe(true);
      expect(declaredCounters().find(name)).toEqual({ name, public: false, derived: true });
    },
  );

  it.each(["like", "like2", "Like0", "0", "1", "_a0", `${"x".repeat(33)}0`, "like0 ", "like-0", "msg_sent", "é0", ""])(
    "is not one of another name: %j",
    (name) => {
      expect(isDerived(name)).toBe(false);
      expect(declaredCounters().find(name)).toBeUndefined();
    },
  );

  it("is made public by its declaration, once", () => {
    const counters = declaredCounters();
    counters.declare("follow1", { public: true });
    counters.declare("gift1", { public: true });
    counters.declare("msg_count", { public: true });
    for (const name of ["follow1", "gift1", "msg_count"]) {
      expect(counters.find(name)).toEqual({ name, public: true, derived: true });
    }
    expect(counters.all().map(({ name }) => name)).toEqual([...BUILT_IN, "gift1"].sort());
    expect(() => counters.declare("follow1")).toThrow("counter follow1: declared already");
  });
});

describe("an app's own", () => {
  it("is public when that is said, and stands among the others", () => {
    const counters = declaredCounters();
    counters.declare("coins");
    // What was asked before does not hide what comes later.
    expect(counters.all()).toHaveLength(BUILT_IN.length + 1);
    counters.declare("score", { public: true });
    expect(counters.find("coins")).toEqual({ name: "coins", public: false, derived: false });
    expect(counters.find("score")).toEqual({ name: "score", public: true, derived: false });
    expect(counters.all().map(({ name }) => name)).toEqual([...BUILT_IN, "coins", "score"].sort());
    expect(declaredCounters().find("coins")).toBeUndefined();
  });

  it.each(["a", "z9", "level_2", "x".repeat(63), "to_string", "constructor"])("may be called %s", (name) => {
    const counters = declaredCounters();
    counters.declare(name);
    expect(counters.find(name)).toEqual({ name, public: false, derived: false });
  });

  it.each<[name: unknown, options: unknown, says: string]>([
    ["", {}, "counter : use small letters, digits and underscores, at most 63"],
    ["Score", {}, "counter Score: use small letters"],
    ["2fast", {}, "counter 2fast: use small letters"],
    ["_score", {}, "counter _score: use small letters"],
    ["my-score", {}, "counter my-score: use small letters"],
    ["score\n", {}, "use small letters"],
    ["x".repeat(64), {}, "use small letters"],
    [undefined, {}, "counter undefined: use small letters"],
    [7, {}, "counter 7: use small letters"],
    [`${"x".repeat(33)}0`, {}, "names that end in 0 or 1 are those of connections"],
    [`${"x".repeat(62)}1`, {}, "names that end in 0 or 1 are those of connections"],
    ["ping", { public: false }, "counter ping: declared already"],
    ["score", { public: "yes" }, "counter score: public must be true or false"],
    ["score", { public: null }, "counter score: public must be true or false"],
    ["score", { pub: true }, "counter score: there is no option pub"],
    ["score", null, "counter score: its options are an object"],
    ["score", true, "counter score: its options are an object"],
  ])("%j with %j is refused", (name, options, says) => {
    const counters = declaredCounters();
    expect(() => counters.declare(name as string, options as CounterOptions)).toThrow(says);
    expect(counters.all().map((counter) => counter.name)).toEqual(BUILT_IN);
  });

  it("cannot be declared twice, also not with the same words", () => {
    const counters = declaredCounters();
    counters.declare("score", { public: true });
    expect(() => counters.declare("score", { public: true })).toThrow("counter score: declared already");
    expect(() => counters.declare("score")).toThrow("counter score: declared already");
    expect(counters.find("score")?.public).toBe(true);
  });
});
