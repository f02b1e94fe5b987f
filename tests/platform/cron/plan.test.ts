import { describe, expect, it } from "vitest";
import type { MissedTicks } from "../../../server/kernel/jobs.js";
import { planTicks } from "../../../server/platform/cron/plan.js";

/** What is done at `now`, with its times of the day. */
function plan(expression: string, nextAt: string | null, now: string, missed: MissedTicks = "one") {
  const cron = { expression, timeZone: "UTC", missed };
  const found = planTicks(cron, nextAt === null ? null : at(nextAt), at(now));
  return found && { ...found, ticks: found.ticks.map(shown), following: shown(found.following) };
}

const at = (time: string) => new Date(`2031-05-10T${time}Z`);
const shown = (time: Date) => time.toISOString().slice(11, 19);

it("is nothing before the time has come", () => {
  expect(plan("0 * * * *", "12:00:00", "11:59:59.999")).toBeUndefined();
});

it("is the time itself when it has come, and then the one after it", () => {
  expect(plan("0 * * * *", "12:00:00", "12:00:00")).toEqual({
    ticks: ["12:00:00"],
    following: "13:00:00",
    missed: false,
  });
});

it("begins now for a cron whose next time is not known", () => {
  expect(plan("0 * * * *", null, "12:00:00")).toEqual({ ticks: [], following: "13:00:00", missed: false });
  expect(plan("0 * * * *", null, "11:59:59.999")).toMatchObject({ following: "12:00:00" });
});

it.each(["one", "all", "skip"] as const)("has every time that is late by no more than a minute, with %s", (missed) => {
  const late = plan("*/20 * * * * *", "12:00:00", "12:01:00", missed);
  const ticks = ["12:00:00", "12:00:20", "12:00:40", "12:01:00"];
  expect(late).toEqual({ ticks, following: "12:01:20", missed: false });
});

describe("times that were missed by more than a minute", () => {
  it.each([
    ["one", "is made up for by the latest of them", ["11:58:00", "11:59:00", "12:00:00"]],
    ["all", "are all made up for", ["11:55:00", "11:56:00", "11:57:00", "11:58:00", "11:59:00", "12:00:00"]],
    ["skip", "are left out", ["11:59:00", "12:00:00"]],
  ] as const)("%s: %s", (missed, _, ticks) => {
    expect(plan("* * * * *", "11:55:00", "12:00:00", missed)).toEqual({ ticks, following: "12:01:00", missed: true });
  });

  it("leave the others alone when none of those is on time", () => {
    expect(plan("0 * * * *", "08:00:00", "11:30:00", "one")).toMatchObject({
      ticks: ["11:00:00"],
      following: "12:00:00",
    });
    expect(plan("0 * * * *", "08:00:00", "11:30:00", "skip")).toMatchObject({ ticks: [], following: "12:00:00" });
  });

  it("are made up for once when there was one", () => {
    expect(plan("0 * * * *", "11:00:00", "11:30:00", "all")).toMatchObject({ ticks: ["11:00:00"] });
  });

  it("are made up for a thousand at most, the newest", () => {
    const { ticks } = plan("* * * * * *", "01:00:00", "12:00:00", "all")!;
    expect(ticks).toHaveLength(1_000 + 61);
    expect([ticks[0], ticks.at(-1)]).toEqual(["11:42:20", "12:00:00"]);
    expect(new Set(ticks).size).toBe(ticks.length);
  });
});
