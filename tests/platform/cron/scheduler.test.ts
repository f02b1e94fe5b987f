import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it, type TestContext, vi } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { CRONS_CHANGED } from "../../../server/platform/cron/scheduler.js";
import { moveCrons } from "../../../server/platform/cron/store.js";
import type { Db } from "../../../server/platform/db/db.js";
import { type CronHouse, insertFired, openCronHouse } from "./nodes.js";

/** A time that comes once in a while, and in no test. */
const RARELY = "0 0 29 2 *";
const SECOND = 1_000;

const seconds = (ticks: readonly { tick: Date }[]) => ticks.map(({ tick }) => tick.getTime() / SECOND);

/** Numbers one after the other, as many. */
function row(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => first + n);
}

const firedAtLeast = (house: CronHouse, count: number, id = "app.tick") =>
  vi.waitFor(async () => expect((await house.fired(id)).length).toBeGreaterThanOrEqual(count), {
    timeout: (count + 4) * SECOND,
    interval: 50,
  });

/** A database that a node has to wait for, or loses, when its statement is of some kind. */
function meddled(meddle: (text: string) => Promise<void> | undefined): (database: Db) => Db {
  return (database) => ({
    run: async (text, values, use) => {
      await meddle(text);
      return database.run(text, values, use);
    },
  });
}

const isMove = (text: string) => text.includes("moved as");

describe.concurrent("three nodes", () => {
  it("fire each of ten seconds of some crons once, in time, and tell the workers", { timeout: 60_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const house = await openCronHouse({ onTestFinished });
    const ids = ["app.tick", "app.tock", "app.tack", "app.knick", "app.knock", "app.knack"];
    const nodes = await Promise.all(row(1, 3).map(() => house.node(ids.map((id) => ({ id, args: { id } })))));
    await Promise.all(nodes.map((node) => node.start()));
    await firedAtLeast(house, 10);
    await Promise.all(nodes.map((node) => node.stop()));
    for (const id of ids) {
      const fired = await house.fired(id);
      expect(seconds(fired)).toEqual(row(seconds(fired)[0]!, fired.length));
      expect(fired.filter(({ late }) => late < 0 || late > 5_000)).toEqual([]);
    }
    const jobs = await house.sql`select replace(id::text, '-', '') as id, queue, 0 as fence from backstay.jobs`;
    expect(house.offered).toHaveLength(jobs.length);
    expect(house.offered).toEqual(expect.arrayContaining([...jobs]));
    const tick = await house.row("app.tick");
    const [last] =
      await house.sql`select replace(id::text, '-', '') as id, cron_tick, args, name, max_attempts, due, state
      from backstay.jobs where cron_id = 'app.tick' order by cron_tick desc limit 1`;
    expect(last).toEqual({
      id: tick?.lastJobId,
      cronTick: tick?.lastAt,
      args: { id: "app.tick" },
      name: "app.tick",
      maxAttempts: 3,
      due: true,
      state: 1,
    });
    expect(house.complaints).toEqual([]);
  });

  it("fire once what one of them decided on, was paused over, and does when it wakes up", async ({
    expect,
    onTestFinished,
  }) => {
    const house = await openCronHouse({ onTestFinished });
    let held = true;
    const paused = await house.node([{}], {
      over: meddled((text) => (held && isMove(text) ? pause(3_000) : undefined)),
    });
    await paused.start();
    // It has found a time that has come, and sleeps over it.
    await pause(1_500);
    const other = await house.node([{}]);
    await other.start();
    await firedAtLeast(house, 3);
    held = false;
    await firedAtLeast(house, 6);
    const fired = seconds(await house.fired("app.tick"));
    expect(fired).toEqual(row(fired[0]!, fired.length));
  });

  it("go on without one that is gone, and nothing is left out", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const [one, two] = [await house.node([{}]), await house.node([{}])];
    await one.start();
    await two.start();
    await firedAtLeast(house, 2);
    await one.stop();
    await firedAtLeast(house, 5);
    const fired = seconds(await house.fired("app.tick"));
    expect(fired).toEqual(row(fired[0]!, fired.length));
  });
});

describe.concurrent("a database that is away", () => {
  it("is asked until it is back, and what is late by no more than a minute is fired each", async ({
    expect,
    onTestFinished,
  }) => {
    const house = await openCronHouse({ onTestFinished });
    let away = false;
    const node = await house.node([{}], {
      over: meddled(async () => {
        if (away) throw new DomainError("DATABASE_UNAVAILABLE");
      }),
    });
    await node.start();
    await firedAtLeast(house, 1);
    away = true;
    await pause(3_000);
    away = false;
    await firedAtLeast(house, 6);
    const fired = await house.fired("app.tick");
    expect(seconds(fired)).toEqual(row(seconds(fired)[0]!, fired.length));
    expect(house.complaints).toEqual([]);
  });

  it("keeps both or neither: a job that cannot be written leaves its time where it is", async ({
    expect,
    onTestFinished,
  }) => {
    const house = await openCronHouse({ onTestFinished });
    await house.sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise 'no job today'; end $$;
      create trigger refuse before insert on backstay.jobs for each row execute function refuse()`);
    await (await house.node([{}])).start();
    await expect.poll(() => house.complaints.length, { timeout: 5_000 }).toBeGreaterThan(0);
    const { nextAt, lastAt } = (await house.row("app.tick"))!;
    expect(lastAt).toBeNull();
    await house.sql`drop trigger refuse on backstay.jobs`;
    await firedAtLeast(house, 1);
    expect((await house.fired("app.tick"))[0]?.tick).toEqual(nextAt);
  });
});

describe.concurrent("a cron that somebody holds", () => {
  it("does not hold up the others, and is fired when it is free", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const node = await house.node([{}, { id: "app.held" }]);
    await node.start();
    await firedAtLeast(house, 1, "app.held");
    const before = await house.sql.begin(async (tx) => {
      await tx`select id from backstay.crons where id = 'app.held' for update`;
      const held = (await house.fired("app.held")).length;
      await firedAtLeast(house, (await house.fired("app.tick")).length + 3);
      expect(await house.fired("app.held")).toHaveLength(held);
      return held;
    });
    await firedAtLeast(house, before + 3, "app.held");
    for (const id of ["app.tick", "app.held"]) {
      const fired = seconds(await house.fired(id));
      expect(fired).toEqual(row(fired[0]!, fired.length));
    }
  });
});

describe.concurrent("a decision", () => {
  const now = () => Date.now();
  const hour = (n: number) => new Date(Math.floor(now() / 3_600_000 + n) * 3_600_000);

  /** Moves a cron by a decision that was made so long ago; answers whether it was. */
  async function moves(house: CronHouse, ageMs: number, found: object = {}): Promise<boolean> {
    const { nextAt } = (await house.row("app.tick"))!;
    const move = {
      id: "app.tick",
      expression: RARELY,
      time_zone: "UTC",
      job_name: "app.tick",
      from_tick: nextAt?.toISOString() ?? null,
      following: hour(2).toISOString(),
      last_tick: undefined,
      last_job_id: undefined,
      ...found,
    };
    const run: Db["run"] = async (text, values) => [...(await house.sql.unsafe(text, values as never[]))] as never;
    const at = new Date(now() - ageMs).toISOString();
    return (await moveCrons({ db: { run } }, { at, moves: [move], jobs: [] })).length === 1;
  }

  async function standing({ expect, onTestFinished }: TestContext): Promise<CronHouse> {
    const house = await openCronHouse({ onTestFinished });
    const node = await house.node([{ expression: RARELY }]);
    await node.start();
    await expect.poll(async () => (await house.row("app.tick"))?.nextAt, { timeout: 5_000 }).not.toBeNull();
    await node.stop();
    return house;
  }

  it("counts while it is young", async (test) => {
    const house = await standing(test);
    expect(await moves(house, 2_000)).toBe(true);
    expect((await house.row("app.tick"))?.nextAt).toEqual(hour(2));
  });

  it.for([
    ["was made more than ten seconds ago", 11_000, {}],
    ["is of the future, before the clock was set back", -5_000, {}],
    ["found another time", 0, { from_tick: "2031-01-01T00:00:00Z" }],
    ["found another expression", 0, { expression: "* * * * *" }],
    ["found another time zone", 0, { time_zone: "Europe/Berlin" }],
    ["found another job", 0, { job_name: "app.tock" }],
  ] as const)("does nothing when it %s", async ([_, ageMs, found], test) => {
    expect(await moves(await standing(test), ageMs, found)).toBe(false);
  });
});

describe.concurrent("a start", () => {
  it("finds the times that passed while no node was there", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const cron = { expression: "* * * * *", missed: "all" as const };
    const node = await house.node([cron]);
    await node.start();
    await expect.poll(async () => (await house.row("app.tick"))?.nextAt, { timeout: 5_000 }).not.toBeNull();
    await node.stop();
    await house.sql`update backstay.crons set next_at = date_trunc('minute', now()) - interval '10 minutes'`;
    await insertFired(house.sql, "app.tick", (await house.row("app.tick"))!.nextAt!);
    await (await house.node([cron])).start();
    await firedAtLeast(house, 11);
    const fired = seconds(await house.fired("app.tick"));
    expect(fired).toEqual(row(0, fired.length).map((n) => fired[0]! + n * 60));
    expect(house.complaints).toEqual([
      expect.objectContaining({
        cron: "app.tick",
        message: "a cron's time passed while nobody was there to see to it",
      }),
    ]);
  });

  it.for([
    ["says that an app's were left out", false, 1],
    ["does not speak of the server's own", true, 0],
  ] as const)("%s", async ([_, inside, complaints], { expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const open = () => house.node([{ expression: RARELY, missed: "skip" }], { jobs: [{ inside }] });
    const node = await open();
    await node.start();
    await expect.poll(async () => (await house.row("app.tick"))?.nextAt, { timeout: 5_000 }).not.toBeNull();
    await node.stop();
    await house.sql`update backstay.crons set next_at = now() - interval '10 minutes'`;
    const next = await open();
    await next.start();
    await expect
      .poll(async () => (await house.row("app.tick"))!.nextAt!.getTime(), { timeout: 5_000 })
      .toBeGreaterThan(Date.now());
    // What it does just then it brings to its end, with what it has to say.
    await next.stop();
    expect(house.complaints).toHaveLength(complaints);
  });

  it.for([
    ["expression", { expression: "0 0 1 1 *" }],
    ["time zone", { timeZone: "Europe/Berlin" }],
  ] as const)("begins now where the %s has changed", async ([_, change], { expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    await (await house.node([{ expression: RARELY }])).start();
    await house.sql`update backstay.crons set next_at = now() - interval '1 hour'`;
    await (await house.node([{ expression: RARELY, ...change }])).start();
    await expect
      .poll(async () => (await house.row("app.tick"))!.nextAt!.getTime(), { timeout: 5_000 })
      .toBeGreaterThan(Date.now());
    expect(await house.fired("app.tick")).toEqual([]);
  });

  it("keeps its next time where something else has changed, and does that with what is new", async ({
    expect,
    onTestFinished,
  }) => {
    const house = await openCronHouse({ onTestFinished });
    const first = await house.node([{ expression: RARELY, args: { n: 1 } }]);
    await first.start();
    await expect.poll(async () => (await house.row("app.tick"))?.nextAt, { timeout: 5_000 }).not.toBeNull();
    await first.stop();
    await house.sql`update backstay.crons set next_at = now() - interval '1 second'`;
    await (await house.node([{ expression: RARELY, args: { n: 2 }, queue: "slow" }])).start();
    await firedAtLeast(house, 1);
    expect([...(await house.sql`select args, queue from backstay.jobs`)]).toEqual([{ args: { n: 2 }, queue: "slow" }]);
    expect([...(await house.sql`select name from backstay.job_queues order by name`)]).toEqual([
      { name: "default" },
      { name: "slow" },
    ]);
  });

  it("is followed by declaring its crons again when somebody has removed them", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    await (await house.node([{ expression: RARELY }, { id: "app.tock" }])).start();
    await firedAtLeast(house, 1, "app.tock");
    await house.sql`delete from backstay.crons where id = 'app.tick'`;
    await expect.poll(() => house.row("app.tick"), { timeout: 8_000 }).toBeDefined();
  });

  it.for([
    [{ expression: "61 * * * *" }, 'cron app.tick: "61 * * * *" is no cron expression: Invalid value for minute: 61'],
    [{ timeZone: "Nowhere" }, 'cron app.tick: there is no time zone "Nowhere"'],
    [{ job: "app.none" }, "cron app.tick: there is no job app.none"],
    [{ queue: "slow", job: "app.none" }, "cron app.tick: there is no job app.none"],
    [{ args: { n: "one" } }, "cron app.tick: the job app.tick does not take its arguments: n: must be a number"],
  ] as const)("refuses what cannot be, in one line: %j", async ([cron, message], { expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const check = async ({ n }: { readonly n?: unknown }) =>
      typeof n === "string" ? { issues: [{ path: "n", message: "must be a number" }] } : { args: {} };
    const node = await house.node([cron], { jobs: [{ check }] });
    await expect(node.start()).rejects.toThrow(expect.objectContaining({ message }));
    expect(await house.row("app.tick")).toBeUndefined();
  });
});

describe.concurrent("a pause", () => {
  const changed = async (house: CronHouse, change: "pause" | "resume") => {
    const { sql } = house;
    await sql`update backstay.crons set next_at = null, paused_at = ${change === "pause" ? sql`now()` : null}`;
    house.bus.publish(CRONS_CHANGED, { id: "app.tick" });
  };

  it("lasts until it is resumed; what fell into it is not made up for", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const nodes = [await house.node([{ missed: "all" }]), await house.node([{ missed: "all" }])];
    for (const node of nodes) await node.start();
    await firedAtLeast(house, 1);
    await changed(house, "pause");
    const before = await house.fired("app.tick");
    await pause(3_000);
    expect(await house.fired("app.tick")).toEqual(before);
    await changed(house, "resume");
    await expect.poll(async () => (await house.row("app.tick"))?.nextAt, { timeout: 10_000 }).not.toBeNull();
    await firedAtLeast(house, before.length + 1);
    const after = (await house.fired("app.tick"))[before.length]!;
    expect(after.tick.getTime() - before.at(-1)!.tick.getTime()).toBeGreaterThanOrEqual(3_000);
  });

  it("lasts over a start", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const first = await house.node([{}]);
    await first.start();
    await firedAtLeast(house, 1);
    await changed(house, "pause");
    await first.stop();
    const before = await house.fired("app.tick");
    await (await house.node([{}])).start();
    await pause(2_500);
    expect(await house.fired("app.tick")).toEqual(before);
  });

  it("that is over is found within five seconds by who did not hear of it", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    const node = await house.node([{}], { deaf: true });
    await node.start();
    await changed(house, "pause");
    await pause(1_500);
    await changed(house, "resume");
    await expect.poll(async () => (await house.row("app.tick"))?.nextAt, { timeout: 6_000 }).not.toBeNull();
  });
});

// A clock is the whole process's: nothing runs beside these.
describe("the clock of the machine", () => {
  afterEach(() => void vi.useRealTimers());

  it.for([
    ["is ten minutes fast, and is set to be ten minutes slow", 600_000],
    ["is ten minutes slow, and is set to be ten minutes fast", -600_000],
  ] as const)(
    "%s: no time is left out, none comes twice, none early",
    async ([_, wrong], { expect, onTestFinished }) => {
      const house = await openCronHouse({ onTestFinished });
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + wrong });
      const ticking = setInterval(() => vi.setSystemTime(Date.now() + 50), 50);
      const nodes = [await house.node([{}]), await house.node([{}])];
      for (const node of nodes) await node.start();
      await firedAtLeast(house, 2);
      vi.setSystemTime(Date.now() - 2 * wrong);
      await firedAtLeast(house, 5);
      clearInterval(ticking);
      const fired = await house.fired("app.tick");
      expect(seconds(fired)).toEqual(row(seconds(fired)[0]!, fired.length));
      expect(fired.filter(({ late }) => late < 0)).toEqual([]);
    },
  );

  it("of a node has it say each minute that its crons are there", async ({ expect, onTestFinished }) => {
    const house = await openCronHouse({ onTestFinished });
    vi.useFakeTimers({ toFake: ["performance"] });
    await (await house.node([{}])).start();
    await house.sql`update backstay.crons set seen_at = now() - interval '1 hour'`;
    await firedAtLeast(house, 2);
    const ago = async () => Date.now() - (await house.row("app.tick"))!.seenAt.getTime();
    expect(await ago()).toBeGreaterThan(3_000_000);
    vi.advanceTimersByTime(61_000);
    await expect.poll(ago, { timeout: 5_000 }).toBeLessThan(60_000);
  });
});
