import { describe, expect, it } from "vitest";
import { toCron, toDeclaration, toNewJob } from "../../server/kernel/job-options.js";

const DAY = 86_400_000;

/** Something written without types. */
const any = (value: unknown) => value as never;

describe("the wait after a failed attempt", () => {
  const waits = (backoff: unknown) => {
    const { backoffMs } = toDeclaration("app.job", () => {}, { backoff: any(backoff) });
    return [1, 2, 3].map(backoffMs);
  };
  const doubled = [1_000, 2_000, 4_000];

  it("is what the app's function says, up to 365 days", () => {
    expect(waits((attempt: number) => attempt * 0.5)).toEqual([0.5, 1, 1.5]);
    expect(waits(() => 0)).toEqual([0, 0, 0]);
    expect(waits(() => 1e300)).toEqual([365 * DAY, 365 * DAY, 365 * DAY]);
  });

  it.each([
    ["nothing", () => undefined],
    ["no number", () => Number.NaN],
    ["no end", () => Infinity],
    ["less than nothing", () => -1],
    ["a text", () => "5s"],
    ["a promise, even one that is broken", () => Promise.reject(new Error("later"))],
  ])("is the doubled one where that says %s", (_, backoff) => {
    expect(waits(backoff)).toEqual(doubled);
  });

  it("is the doubled one where that throws", () => {
    const broken = () => {
      throw new Error("it broke");
    };
    expect(waits(broken)).toEqual(doubled);
  });

  it.each([
    ["no number", { least: Number.NaN }],
    ["less than nothing", { least: -1 }],
    ["no end", { most: Infinity }],
    ["more than 365 days", { most: "366d" }],
    ["least beyond most", { least: "2s", most: "1s" }],
  ])("is refused with bounds that are %s", (_, backoff) => {
    expect(() => waits(backoff)).toThrow("backoff has durations least and most");
  });
});

describe("durations", () => {
  it("are whole milliseconds", () => {
    const timeouts = [0.5, 1.4, "2s"].map((timeout) => toDeclaration("app.job", () => {}, { timeout }).timeoutMs);
    expect(timeouts).toEqual([1, 1, 2_000]);
    expect(toNewJob("app.job", {}, { timeout: 1.5, uniqueFor: 0.4 })).toMatchObject({ timeoutMs: 2, uniqueForMs: 0 });
  });

  it.each([0, 0.4, -1, Number.NaN, DAY + 1, "0s", "soon"])("are no timeout of %s", (timeout) => {
    expect(() => toDeclaration("app.job", () => {}, { timeout })).toThrow("timeout is a duration");
    expect(() => toNewJob("app.job", {}, { timeout })).toThrow(
      new TypeError("submitting app.job: timeout is a duration"),
    );
  });
});

describe("a job to submit", () => {
  it.each(["uniqueKey", "orderKey"])("is refused with text in its %s that no database keeps", (key) => {
    for (const text of ["", "a\0b", "a\ud800", "\udc00b", "x".repeat(256), 7]) {
      expect(() => toNewJob("app.job", {}, { [key]: text })).toThrow(TypeError);
    }
    expect(toNewJob("app.job", {}, { [key]: "a\u{1f600}/b" })).toMatchObject({ [key]: "a\u{1f600}/b" });
  });

  it("is refused with a time that the contract cannot say", () => {
    for (const time of ["0000-12-31T23:59:59.999Z", "+010000-01-01T00:00:00Z", "never"]) {
      expect(() => toNewJob("app.job", {}, { runAt: new Date(time) })).toThrow(TypeError);
    }
    for (const time of ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]) {
      expect(toNewJob("app.job", {}, { runAt: new Date(time) }).runAt?.toISOString()).toBe(time);
    }
  });

  it.each([
    ["a list", []],
    ["a text", "x"],
    ["null", null],
    ["what is written as a text", new Date()],
    ["what is written as a list", { toJSON: () => [] }],
    ["what is written as nothing", { toJSON: () => undefined }],
  ])("is refused with arguments that are %s, and a cron as well", (_, args) => {
    expect(() => toNewJob("app.job", any(args))).toThrow(new TypeError("submitting app.job: args is an object"));
    expect(() => toCron("app.cron", "* * * * *", "app.job", { args: any(args) })).toThrow("args is an object");
  });
});
