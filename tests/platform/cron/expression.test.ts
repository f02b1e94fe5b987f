import { describe, expect, it } from "vitest";
import { checkCron, lastTicks, nextTick } from "../../../server/platform/cron/expression.js";

const BERLIN = "Europe/Berlin";

/** The times from a moment to another, in UTC. */
function ticks(expression: string, from: string, to: string, timeZone = BERLIN): string[] {
  const found: string[] = [];
  const end = new Date(to);
  for (let tick = new Date(from); ; ) {
    tick = nextTick({ expression, timeZone }, tick);
    if (tick >= end) return found;
    found.push(tick.toISOString().replace(":00.000Z", "Z"));
  }
}

describe("an expression", () => {
  it.each([
    ["five fields", "30 2 * * *"],
    ["six fields, of which the first is the seconds", "15 30 2 * * *"],
    ["names of months and days", "0 9 * JAN-MAR MON-FRI"],
    ["lists and steps", "0,20,40 */2 * * 1,3"],
    ["the last day of a month", "0 0 L * *"],
    ["the 29th of February", "0 0 29 2 *"],
  ])("may have %s", (_, expression) => {
    expect(() => checkCron(expression, BERLIN)).not.toThrow();
  });

  it.each([
    ["* * * *", '"* * * *" is no cron expression: it has five fields, or six that begin with the seconds'],
    ["* * * * * * *", '"* * * * * * *" is no cron expression: it has five fields, or six that begin with the seconds'],
    ["@daily", '"@daily" is no cron expression: it has five fields, or six that begin with the seconds'],
    ["2031-01-01T00:00:00", expect.stringContaining("five fields")],
    ["60 * * * *", '"60 * * * *" is no cron expression: Invalid value for minute: 60'],
    ["*/0 * * * *", '"*/0 * * * *" is no cron expression: Syntax error, illegal stepping: 0'],
    ["a b c d e", expect.stringContaining("illegal characters")],
    ["0 0 30 2 *", '"0 0 30 2 *" is no cron expression: its time never comes'],
    ["? * * * *", '"? * * * *" is no cron expression: there is no ? in it'],
  ])("is refused in one line: %s", (expression, message) => {
    const refused = () => checkCron(expression, BERLIN);
    expect(refused).toThrow(expect.objectContaining({ message }));
    expect(refused).not.toThrow("\n");
  });

  it.each(["Nowhere/Else", "", "+02:00", "UTC+2"])("is refused for a time zone that is not there: %j", (timeZone) => {
    expect(() => checkCron("0 0 * * *", timeZone)).toThrow(`there is no time zone ${JSON.stringify(timeZone)}`);
  });
});

describe("its times", () => {
  it("are those of its time zone", () => {
    const [from, to] = ["2031-01-01T00:00Z", "2031-01-02T00:00Z"];
    expect(ticks("0 12 * * *", from, to)).toEqual(["2031-01-01T11:00Z"]);
    expect(ticks("0 12 * * *", from, to, "UTC")).toEqual(["2031-01-01T12:00Z"]);
    expect(ticks("0 12 * * *", from, to, "Asia/Kathmandu")).toEqual(["2031-01-01T06:15Z"]);
  });

  it("are after the moment, to the second", () => {
    const each = { expression: "* * * * * *", timeZone: "UTC" };
    const next = (after: string) => nextTick(each, new Date(after)).toISOString();
    expect(next("2031-01-01T00:00:00.000Z")).toBe("2031-01-01T00:00:01.000Z");
    expect(next("2031-01-01T00:00:00.999Z")).toBe("2031-01-01T00:00:01.000Z");
    expect(lastTicks(each, new Date("2031-01-01T00:00:00.000Z"), 2).map((tick) => tick.toISOString())).toEqual([
      "2030-12-31T23:59:58.000Z",
      "2030-12-31T23:59:59.000Z",
    ]);
  });
});

describe("in spring, when 2:00 to 3:00 is left out", () => {
  const night = (expression: string) => ticks(expression, "2026-03-28T23:00Z", "2026-03-29T22:00Z");

  it("a time that is not there comes once, when the clock has gone on", () => {
    expect(night("30 2 * * *")).toEqual(["2026-03-29T01:00Z"]);
    expect(night("0,15,30 2 * * *")).toEqual(["2026-03-29T01:00Z"]);
  });

  it("what comes every so often goes on as it did", () => {
    expect(night("*/30 * * * *").slice(2, 7)).toEqual([
      "2026-03-29T00:30Z",
      "2026-03-29T01:00Z",
      "2026-03-29T01:30Z",
      "2026-03-29T02:00Z",
      "2026-03-29T02:30Z",
    ]);
  });
});

describe("in autumn, when 2:00 to 3:00 comes twice", () => {
  const night = (expression: string) => ticks(expression, "2026-10-24T22:00Z", "2026-10-25T23:00Z");

  it("a time that is there twice comes once", () => {
    expect(night("30 2 * * *")).toEqual(["2026-10-25T00:30Z"]);
    expect(night("0,30 2 * * *")).toEqual(["2026-10-25T00:00Z", "2026-10-25T00:30Z"]);
  });

  it("and does so whenever it is asked", () => {
    const next = (after: string) => nextTick({ expression: "30 2 * * *", timeZone: BERLIN }, new Date(after));
    for (const after of ["2026-10-25T00:30Z", "2026-10-25T00:59Z", "2026-10-25T01:29:59Z", "2026-10-25T01:30Z"]) {
      expect(next(after).toISOString()).toBe("2026-10-26T01:30:00.000Z");
    }
  });

  it("what comes every so often goes on as it did", () => {
    expect(night("*/30 * * * *").slice(3, 8)).toEqual([
      "2026-10-25T00:00Z",
      "2026-10-25T00:30Z",
      "2026-10-25T01:00Z",
      "2026-10-25T01:30Z",
      "2026-10-25T02:00Z",
    ]);
  });

  it.each(["30 2 * * *", "0,30 2 * * *", "*/20 * * * *", "0 0 * * *", "15 1,2,3 * * 0"])(
    "the times before a moment are those that come after others: %s",
    (expression) => {
      const [from, to] = ["2026-10-23T00:00Z", "2026-10-28T00:00Z"];
      const forward = ticks(expression, from, to);
      const back = lastTicks({ expression, timeZone: BERLIN }, new Date(to), forward.length);
      expect(back.map((tick) => tick.toISOString().replace(":00.000Z", "Z"))).toEqual(forward);
    },
  );
});
