import { describe, expect, it } from "vitest";
import { declaredTopics } from "../../server/kernel/declared-topics.js";
import type { TopicRule, TopicRules } from "../../server/kernel/topics.js";

const ada = { accountId: "ada", roles: ["member"] };

/** What the rule of a pattern is given when a name is asked for; undefined when the pattern is of other names. */
async function paramsOf(pattern: string, name: string): Promise<object | undefined> {
  const topics = declaredTopics();
  let given: object | undefined;
  topics.declare(pattern, {
    subscribe: (_, params) => {
      given = params;
      return true;
    },
  });
  await topics.find(name)?.may("subscribe", ada);
  return given;
}

describe("a pattern", () => {
  it.each([
    ["news/today", "news/today", {}],
    ["room/{id}", "room/7", { id: "7" }],
    ["room/{id}", "room/A-b_c.d", { id: "A-b_c.d" }],
    ["room/{id}/team/{teamId}", "room/7/team/red", { id: "7", teamId: "red" }],
    ["game/{a}/{b}/{c}/{d}", "game/1/2/3/4", { a: "1", b: "2", c: "3", d: "4" }],
    ["room/v1.2/{id}", "room/v1.2/x", { id: "x" }],
    ["room/{constructor}", "room/7", { constructor: "7" }],
  ])("%s is of the name %s, with its parts", async (pattern, name, params) => {
    expect(await paramsOf(pattern, name)).toEqual(params);
  });

  it.each([
    ["news/today", "news/today2"],
    ["news/today", "my-news/today"],
    ["room/{id}", "room"],
    ["room/{id}", "room/"],
    ["room/{id}", "room/7/8"],
    ["room/{id}", "Room/7"],
    ["room/{id}", "room/7\n"],
    ["room/{id}", "room/a b"],
    ["room/{id}", `room/${"x".repeat(65)}`],
    ["room/v1.2/{id}", "room/v1x2/x"],
    ["room/{id}/team", "room/7/8/team"],
  ])("%s is not of the name %j", async (pattern, name) => {
    expect(await paramsOf(pattern, name)).toBeUndefined();
  });

  it.each([
    "room",
    "/room/{id}",
    "room/",
    "Room/{id}",
    "{kind}/{id}",
    "room/{id}x",
    "room/{}",
    "room/{Id}",
    "room/{__proto__}",
    "room/*",
    "room/(a+)+",
    "room/a|b",
    "room/{id}/{id}",
    "a/b/c/d/e/f",
    "account/{id}",
    "account/me",
    "system/alerts",
    `room/${"x".repeat(65)}`,
    "room/{id}\n",
  ])("%j is refused", (pattern) => {
    expect(() => declaredTopics().declare(pattern, {})).toThrow(`topic ${pattern}: `);
  });

  it("is declared once", () => {
    const topics = declaredTopics();
    topics.declare("room/{id}", {});
    expect(() => topics.declare("room/{id}", {})).toThrow("declared already");
  });

  it("that was declared first counts, of two that fit", async () => {
    const topics = declaredTopics();
    topics.declare("room/lobby", { subscribe: true });
    topics.declare("room/{id}", { publish: true, presence: true });
    expect(await topics.find("room/lobby")!.may("subscribe", ada)).toBe(true);
    expect(await topics.find("room/lobby")!.may("publish", ada)).toBe(false);
    expect(topics.find("room/lobby")!.presence).toBe(false);
    expect(topics.find("room/other")!.presence).toBe(true);
  });
});

describe("a rule", () => {
  const may = (rules: TopicRules, what: "subscribe" | "publish" | "history") => {
    const topics = declaredTopics();
    topics.declare("room/{id}", rules);
    return topics.find("room/7")!.may(what, ada);
  };

  it("that is left out allows nothing, but for the history of those who may follow", async () => {
    expect(await may({}, "subscribe")).toBe(false);
    expect(await may({}, "publish")).toBe(false);
    expect(await may({}, "history")).toBe(true);
    expect(await may({ history: false }, "history")).toBe(false);
  });

  it("is true or false, or asked with the caller and the parts of the name", async () => {
    expect(await may({ publish: true }, "publish")).toBe(true);
    expect(await may({ publish: false }, "publish")).toBe(false);
    const given: unknown[] = [];
    const publish = (...all: unknown[]) => given.push(...all) === 2;
    expect(await may({ publish }, "publish")).toBe(true);
    expect(given).toEqual([{ accountId: "ada", roles: ["member"] }, { id: "7" }]);
    expect(await may({ publish: async () => true }, "publish")).toBe(true);
    expect(await may({ publish: async () => false }, "publish")).toBe(false);
  });

  it.each([[1], ["yes"], [{}], [undefined], [null], [Promise.resolve("yes")]])(
    "lets nobody in by %j, which is not true",
    async (answer) => {
      expect(await may({ subscribe: () => answer as unknown as boolean }, "subscribe")).toBe(false);
    },
  );

  it.each([
    [
      "throws",
      () => {
        throw new Error("a defect");
      },
    ],
    ["rejects", () => Promise.reject(new Error("a defect"))],
    [
      "throws what is no error",
      () => {
        throw "a defect";
      },
    ],
  ])("that %s lets nobody in: the error names it and goes on", async (_, subscribe) => {
    const failed = await may({ subscribe: subscribe as TopicRule }, "subscribe").then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failed?.message).toBe("the rule subscribe of the topic room/{id} failed");
    expect(String(failed?.cause)).toContain("a defect");
  });

  it.each([
    ["subscribe", "everybody"],
    ["publish", 1],
    ["history", null],
    ["presence", () => true],
    ["publsh", true],
  ])("%s cannot be %j", (name, rule) => {
    const declare = () => declaredTopics().declare("room/{id}", { [name]: rule } as TopicRules);
    expect(declare).toThrow("topic room/{id}: ");
  });

  it("cannot be changed by changing what it was declared with", async () => {
    const rules = { subscribe: false };
    const topics = declaredTopics();
    topics.declare("room/{id}", rules);
    rules.subscribe = true;
    expect(await topics.find("room/7")!.may("subscribe", ada)).toBe(false);
  });
});

it("a name that nobody declared is no topic", () => {
  expect(declaredTopics().find("room/7")).toBeUndefined();
});
