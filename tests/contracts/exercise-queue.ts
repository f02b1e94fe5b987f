import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import type { JobContext, NewJob } from "../../server/kernel/jobs.js";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { STATE, wakeNextOfKey } from "../../server/platform/queue/index.js";
import { chaosProxy } from "./chaos-proxy.js";
import { type OpenQueue, type QueueNode, type QueueNodeTerms, startQueueNode } from "./queue-nodes.js";

/** A migrated database that is the suite's own. */
export type OpenDatabase = () => Promise<{ url: string; close(): Promise<void> }>;

const LEASE = 1_500;

/** What every implementation of the queue promises, together with the worker that takes from it. */
export function exerciseQueue(openDatabase: OpenDatabase, openQueue: OpenQueue) {
  let url: string;
  let close: () => Promise<void>;
  let observer: postgres.Sql;
  let bus = memoryBus(() => {});
  /** The test that runs: another suite's may run beside it. */
  let test: TestContext;
  const nodes: QueueNode[] = [];
  const gates: (() => void)[] = [];

  type Terms = Partial<QueueNodeTerms> & Pick<QueueNodeTerms, "jobs">;
  /** Nodes of one installation: they share the bus. */
  const makeNodes = async (count: number, terms: Terms) => {
    const made: QueueNode[] = [];
    for (let n = 0; n < count; n++) made.push(await startQueueNode({ url, bus, openQueue, ...terms }));
    nodes.push(...made);
    return made;
  };
  const makeNode = async (terms: Terms) => (await makeNodes(1, terms))[0]!;

  beforeAll(async () => {
    ({ url, close } = await openDatabase());
    observer = postgres(url, { max: 4, onnotice: () => {} });
    await observer`create table effects (seq bigserial, job text, attempt int, note text)`;
  });
  beforeEach(async (context) => {
    test = context;
    bus = memoryBus(() => {});
    await observer`truncate backstay.jobs, backstay.job_queues, backstay.job_workers, effects`;
  });
  afterEach(async () => {
    for (const open of gates.splice(0)) open();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });
  afterAll(async () => {
    await observer?.end({ timeout: 1 });
    await close?.();
  });

  /** Submits as a call does that writes nothing else. */
  const submit = async (node: QueueNode, ...jobs: NewJob[]) =>
    node.submit({ db: node.database, afterCommit: (effect) => effect() }, jobs);
  const submitOne = async (node: QueueNode, job: NewJob) => (await submit(node, job))[0]!.job.id;

  const rowOf = async (id: string) => {
    const [row] = await observer`select * from backstay.jobs where id = ${id}`;
    return row!;
  };
  const stateOf = async (id: string) => (await rowOf(id)).state as number;
  const eventually = <T>(read: () => T, timeout = 5_000) => test.expect.poll(read, { timeout, interval: 10 });
  const becomes = (id: string, state: number, timeout?: number) => eventually(() => stateOf(id), timeout).toBe(state);
  const countOf = async (state: number) =>
    Number((await observer`select count(*) as n from backstay.jobs where state = ${state}`)[0]!.n);
  const allBecome = (count: number, state: number, timeout = 15_000) =>
    eventually(() => countOf(state), timeout).toBe(count);
  const notesOf = async () => (await observer`select note from effects order by seq`).map(({ note }) => note as string);
  const note = (ctx: JobContext, text: string) =>
    ctx.db.run("insert into effects (job, attempt, note) values ($1, $2, $3)", [ctx.id, ctx.attempt, text]);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  /** A point that jobs wait at until the test opens it, or they are told to end. */
  const gate = () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    gates.push(open);
    let waiting = 0;
    return {
      open,
      waiting: () => waiting,
      pass(signal?: AbortSignal) {
        waiting++;
        if (signal === undefined) return opened;
        const told = new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        });
        return Promise.race([opened, told]);
      },
    };
  };

  describe("a job that is submitted", () => {
    it("is done once its transaction is committed, with its arguments, and its result is kept", async () => {
      const given: unknown[] = [];
      const run = (args: unknown) => {
        given.push(args);
        return { answer: 42 };
      };
      const node = await makeNode({ jobs: [{ run }] });
      const effects: (() => void)[] = [];
      const id = await node.database.transaction(async (db) => {
        const ctx = { db, afterCommit: (effect: () => void) => void effects.push(effect) };
        const [submitted] = await node.submit(ctx, [{ name: "test.job", args: { n: [1, null, "é"] } }]);
        await pause(100);
        expect(given).toEqual([]);
        return submitted!.job.id;
      });
      for (const effect of effects) effect();
      await becomes(id, STATE.succeeded);
      expect(given).toEqual([{ n: [1, null, "é"] }]);
      expect(await rowOf(id)).toMatchObject({ result: { answer: 42 }, attempts: 1, last_error: null, due: false });
    });

    it("is none when the transaction is rolled back", async () => {
      let runs = 0;
      const node = await makeNode({ jobs: [{ run: () => void runs++ }] });
      const undone = node.database.transaction(async (db) => {
        await node.submit({ db, afterCommit: () => {} }, [{ name: "test.job" }]);
        throw new Error("undo");
      });
      await expect(undone).rejects.toThrow("undo");
      await becomes(await submitOne(node, { name: "test.job" }), STATE.succeeded);
      expect(runs).toBe(1);
    });

    it("to a queue that is new holds up nobody else who submits there, however long its transaction is", async () => {
      const node = await makeNode({ jobs: [{}] });
      const queue = "later";
      await node.database.transaction(async (db) => {
        await node.submit({ db, afterCommit: () => {} }, [{ name: "test.job", queue }]);
        const beside = await submitOne(node, { name: "test.job", queue });
        await becomes(beside, STATE.succeeded);
      });
    });

    it("is found by looking when nobody is told of it", async () => {
      const node = await makeNode({ jobs: [{}] });
      const [submitted] = await node.submit({ db: node.database, afterCommit: () => {} }, [{ name: "test.job" }]);
      await becomes(submitted!.job.id, STATE.succeeded);
    });

    it("by a node that works none off is done by another", async () => {
      const [submitter] = [await makeNode({ jobs: [{}], works: false }), await makeNode({ jobs: [{}] })];
      await becomes(await submitOne(submitter, { name: "test.job" }), STATE.succeeded);
    });

    it("for later is done when its time has come, and not before", async () => {
      const node = await makeNode({ jobs: [{}] });
      const ids = [400, 150, 800].map((ms) => submitOne(node, { name: "test.job", runAt: new Date(Date.now() + ms) }));
      for (const id of await Promise.all(ids)) {
        await becomes(id, STATE.succeeded);
        const row = await rowOf(id);
        expect(+row.started_at).toBeGreaterThanOrEqual(+row.run_at);
      }
    });

    it("with a delay is due that long after its submission, whatever this machine's clock says, and so when it replaces another", async () => {
      const node = await makeNode({ jobs: [{}], works: false });
      const waits = async (id: string) => {
        const { run_at, created_at } = await rowOf(id);
        return +run_at - +created_at;
      };
      const id = await submitOne(node, { name: "test.job", delayMs: 60_000, uniqueKey: "delayed" });
      expect(await waits(id)).toBe(60_000);
      await submitOne(node, { name: "test.job", delayMs: 120_000, uniqueKey: "delayed", onConflict: "replace" });
      expect(await waits(id)).toBeGreaterThanOrEqual(120_000);
      expect(await waits(id)).toBeLessThan(180_000);
    });

    it("goes before others of a lower priority, and after those that were due before", async () => {
      const done: unknown[] = [];
      const submitter = await makeNode({ jobs: [{}], works: false });
      const priorities = [0, -5, 100, 0, 7];
      await submit(
        submitter,
        ...priorities.map((priority, n) => ({ name: "test.job", priority, args: { is: `${priority}/${n}` } })),
      );
      await makeNode({ concurrency: 1, jobs: [{ run: ({ is }) => void done.push(is) }] });
      await eventually(() => done).toEqual(["100/2", "7/4", "0/0", "0/3", "-5/1"]);
    });

    it("of a name that no worker of its queue knows is left alone until one does", async () => {
      const old = await makeNode({ jobs: [{}] });
      const submitter = await makeNode({ jobs: [{ name: "test.new" }], works: false });
      const id = await submitOne(submitter, { name: "test.new", priority: 100 });
      await becomes(await submitOne(old, { name: "test.job" }), STATE.succeeded);
      expect(await rowOf(id)).toMatchObject({ state: STATE.queued, attempts: 0 });
      await makeNode({ jobs: [{ name: "test.new" }] });
      await becomes(id, STATE.succeeded);
    });

    it("is taken by workers of its queue only", async () => {
      const node = await makeNode({ jobs: [{}], queues: ["default", "mail"] });
      const id = await submitOne(node, { name: "test.job", queue: "video" });
      await becomes(await submitOne(node, { name: "test.job", queue: "mail" }), STATE.succeeded);
      expect(await stateOf(id)).toBe(STATE.queued);
      await makeNode({ jobs: [{}], queues: ["video"] });
      await becomes(id, STATE.succeeded);
    });
  });

  describe("a unique key", () => {
    it("lets one job be, whoever submits at the same moment", async () => {
      const both = await makeNodes(2, { jobs: [{}], works: false });
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => submit(both[n % 2]!, { name: "test.job", uniqueKey: "one" })),
      );
      const all = answers.flat();
      expect(all.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(all.map(({ job }) => job.id)).size).toBe(1);
    });

    it("is kept while the job is not finished, and given to the next after that", async () => {
      const node = await makeNode({ jobs: [{}] });
      const first = await submitOne(node, { name: "test.job", uniqueKey: "k" });
      await becomes(first, STATE.succeeded);
      const [next] = await submit(node, { name: "test.job", uniqueKey: "k", uniqueForMs: 600 });
      expect(next).toMatchObject({ created: true });
      await becomes(next!.job.id, STATE.succeeded);
      const [kept] = await submit(node, { name: "test.job", uniqueKey: "k" });
      expect(kept).toMatchObject({ created: false, job: { id: next!.job.id } });
      const isFree = async () => (await submit(node, { name: "test.job", uniqueKey: "k" }))[0]!.created;
      await eventually(isFree).toBe(true);
    });

    it("has a waiting job replaced, or its submitter refused, when that is asked for", async () => {
      const done: unknown[] = [];
      const jobs = [{ run: ({ n }: { n?: unknown }) => void done.push(n) }];
      const node = await makeNode({ jobs });
      const later = { name: "test.job", uniqueKey: "k", runAt: new Date(Date.now() + 60_000) };
      const id = await submitOne(node, { ...later, args: { n: 1 } });
      const refused = submit(node, { ...later, onConflict: "fail" });
      await expect(refused).rejects.toMatchObject({ reason: "JOB_EXISTS" });
      const now = { name: "test.job", uniqueKey: "k", args: { n: 2 }, onConflict: "replace" as const };
      expect(await submit(node, now)).toMatchObject([{ created: false, job: { id } }]);
      await becomes(id, STATE.succeeded);
      expect(done).toEqual([2]);
    });
  });

  describe("an order key", () => {
    it("has its jobs done one at a time, as they were submitted, by two nodes, with failures in between", async () => {
      const running = new Map<string, number>();
      const together: string[] = [];
      const run = async ({ key, n, fails }: Record<string, unknown>, ctx: JobContext) => {
        const name = String(key);
        running.set(name, (running.get(name) ?? 0) + 1);
        if (running.get(name)! > 1) together.push(`${name}/${n}`);
        await pause(Math.random() * 5);
        running.set(name, running.get(name)! - 1);
        if (ctx.attempt <= Number(fails)) throw new Error("once more");
        if (Number(n) % 2 === 0) await note(ctx, `${name}/${n}`);
        else await observer`insert into effects (note) values (${`${name}/${n}`})`;
      };
      const both = await makeNodes(2, { jobs: [{ run, backoffMs: (attempt) => attempt * 5 }], concurrency: 5 });
      const keys = ["a", "b", "c", "d"];
      const each = 25;
      for (let n = 0; n < each; n++) {
        const fails = n % 5 === 3 ? 2 : 0;
        const jobs = keys.map((key) => ({ name: "test.job", orderKey: key, args: { key, n, fails } }));
        await submit(both[n % 2]!, ...jobs);
      }
      await allBecome(keys.length * each, STATE.succeeded, 20_000);
      expect(together).toEqual([]);
      const notes = await notesOf();
      for (const key of keys) {
        const wanted = Array.from({ length: each }, (_, n) => `${key}/${n}`);
        expect(notes.filter((text) => text.startsWith(`${key}/`))).toEqual(wanted);
      }
    });

    it("is not held up by its other jobs once one is given up, and waits for one that is timed", async () => {
      const done: unknown[] = [];
      const run = ({ n }: { n?: unknown }) => {
        if (n === 1) throw new Error("never");
        done.push(n);
      };
      const node = await makeNode({ jobs: [{ run, maxAttempts: 2 }] });
      const soon = new Date(Date.now() + 400);
      const jobs: NewJob[] = [{ args: { n: 1 } }, { args: { n: 2 }, runAt: soon }, { args: { n: 3 } }].map((job) => ({
        name: "test.job",
        orderKey: "k",
        ...job,
      }));
      const [dead] = await submit(node, ...jobs);
      await eventually(() => done).toEqual([2, 3]);
      expect(Date.now()).toBeGreaterThanOrEqual(+soon);
      expect(await stateOf(dead!.job.id)).toBe(STATE.dead);
    });

    it("goes on when the job whose turn it is is cancelled", async () => {
      const node = await makeNode({ jobs: [{}] });
      const later = new Date(Date.now() + 60_000);
      const [first, second] = await submit(
        node,
        { name: "test.job", orderKey: "k", runAt: later },
        { name: "test.job", orderKey: "k" },
      );
      const isParked = async () => (await rowOf(second!.job.id)).parked;
      await eventually(isParked).toBe(true);
      const due = await node.database.transaction(async (db) => {
        await db.run("update backstay.jobs set state = 6, due = false where id = $1", [first!.job.id]);
        return wakeNextOfKey({ db }, { orderKeys: ["k"] });
      });
      expect(due.map(({ id }) => id)).toEqual([second!.job.id]);
      node.queue.offer(due);
      await becomes(second!.job.id, STATE.succeeded);
    });

    it("loses no job when they are submitted while others finish", async () => {
      const both = await makeNodes(2, { jobs: [{}], concurrency: 5 });
      const busy = async (node: QueueNode) => {
        for (let n = 0; n < 60; n++) await submitOne(node, { name: "test.job", orderKey: `k${n % 2}` });
      };
      await Promise.all([...both, ...both].map(busy));
      await allBecome(240, STATE.succeeded);
    });
  });

  describe("an attempt", () => {
    it("that fails is made again after its backoff, until the last, whose error is kept", async () => {
      const begun: number[] = [];
      const run = (_: unknown, { attempt }: JobContext) => {
        begun.push(Date.now());
        throw new RangeError(`attempt ${attempt} \0 at /secret/place`);
      };
      const node = await makeNode({ jobs: [{ run, maxAttempts: 3, backoffMs: (attempt) => attempt * 100 }] });
      const id = await submitOne(node, { name: "test.job" });
      await eventually(async () => (await rowOf(id)).last_error).toMatch(/^RangeError: attempt 1/);
      await becomes(id, STATE.dead);
      expect(begun).toHaveLength(3);
      expect(begun[1]! - begun[0]!).toBeGreaterThanOrEqual(75);
      expect(begun[2]! - begun[1]!).toBeGreaterThanOrEqual(155);
      const row = await rowOf(id);
      expect(row).toMatchObject({ attempts: 3, max_attempts: 3, due: false, result: null });
      expect(row.finished_at).not.toBeNull();
      expect(row.last_error).toMatch(/^RangeError: attempt 3 {2}at \/secret\/place\n {4}at .*exercise-queue\.ts:\d+/);
      expect(row.last_error).not.toContain(process.cwd());
    });

    it("that succeeds at last leaves the error of the one before to be read", async () => {
      const run = (_: unknown, { attempt }: JobContext) => {
        if (attempt === 1) throw "no error at all";
        return attempt;
      };
      const node = await makeNode({ jobs: [{ run }] });
      const id = await submitOne(node, { name: "test.job" });
      await becomes(id, STATE.succeeded);
      expect(await rowOf(id)).toMatchObject({ attempts: 2, result: 2, last_error: "thrown: no error at all" });
    });

    it("is final when the arguments are not what the job takes, or the result cannot be kept", async () => {
      const refused = {
        name: "test.picky",
        check: async () => ({ issues: [{ path: "user.id", message: "is missing" }] }),
      };
      const big = { name: "test.big", run: () => "x".repeat(300 * 1024) };
      const odd = { name: "test.odd", run: () => 1n };
      const nul = { name: "test.nul", run: () => "a\0b" };
      const jobs = [refused, big, odd, nul];
      const node = await makeNode({ jobs });
      // It took them when it was submitted, by the code of then.
      const checked = await makeNode({ jobs: jobs.map(({ name }) => ({ name })), works: false });
      for (const [name, error] of [
        ["test.picky", "The job does not take these arguments. args.user.id: is missing"],
        ["test.big", /larger than 256 KiB/],
        ["test.odd", /no JSON/],
        ["test.nul", /NUL/],
      ] as const) {
        const id = await submitOne(checked, { name });
        await becomes(id, STATE.dead);
        expect(await rowOf(id)).toMatchObject({ attempts: 1, last_error: expect.stringMatching(error) });
      }
      expect(node.worker.running()).toEqual([]);
    });

    it("that takes too long is told to end, and fails", async () => {
      let reason: unknown;
      const run = async (_: unknown, { signal }: JobContext) => {
        await gate()
          .pass(signal)
          .catch((error) => {
            reason = error;
          });
      };
      const node = await makeNode({ jobs: [{ run, timeoutMs: 100, maxAttempts: 1 }] });
      const id = await submitOne(node, { name: "test.job" });
      await becomes(id, STATE.dead);
      expect(reason).toMatchObject({ message: "the attempt took longer than 100 ms" });
      expect((await rowOf(id)).last_error).toBe("the attempt took longer than 100 ms");
    });

    it("that does not end when it is told to is left to itself, and its job goes on", async () => {
      const forever = gate();
      const run = (_: unknown, { attempt }: JobContext) => (attempt === 1 ? forever.pass() : undefined);
      const node = await makeNode({ jobs: [{ run, timeoutMs: 50 }] });
      const id = await submitOne(node, { name: "test.job" });
      await becomes(id, STATE.succeeded, 8_000);
      expect((await rowOf(id)).last_error).toMatch(/^the attempt took longer than 50 ms/);
      expect(node.worker.running()).toEqual([]);
    });

    it("has its time anew with each heartbeat", async () => {
      const run = async (_: unknown, ctx: JobContext) => {
        for (let n = 0; n < 8; n++) {
          await pause(200);
          await ctx.heartbeat();
        }
      };
      const node = await makeNode({ jobs: [{ run, timeoutMs: 1_000, maxAttempts: 1 }] });
      await becomes(await submitOne(node, { name: "test.job" }), STATE.succeeded);
    });

    it("says how far it is", async () => {
      const half = gate();
      const run = async (_: unknown, { progress }: JobContext) => {
        for (let n = 0; n <= 50; n++) progress({ percent: n });
        await half.pass();
        progress({ percent: 100 });
      };
      const node = await makeNode({ jobs: [{ run }] });
      const id = await submitOne(node, { name: "test.job" });
      await eventually(async () => (await rowOf(id)).progress).toEqual({ percent: 50 });
      half.open();
      await becomes(id, STATE.succeeded);
      expect((await rowOf(id)).progress).toEqual({ percent: 100 });
    });

    it("is one of few at once where its job says so", async () => {
      let now = 0;
      let most = 0;
      const run = async () => {
        most = Math.max(most, ++now);
        await pause(10);
        now--;
      };
      const node = await makeNode({ jobs: [{ name: "test.few", run, concurrency: 2 }, {}], concurrency: 10 });
      const few = Array.from({ length: 20 }, () => ({ name: "test.few" }));
      await submit(node, ...few, { name: "test.job" });
      await allBecome(21, STATE.succeeded);
      expect(most).toBe(2);
    });
  });

  describe("what a job writes", () => {
    it("is kept exactly when it succeeds, together with the jobs it submits", async () => {
      const run = async (args: { fails?: boolean }, ctx: JobContext) => {
        await note(ctx, `attempt ${ctx.attempt}`);
        await ctx.submit({ name: "test.after", args: { after: ctx.attempt } });
        expect(await ctx.db.run("select count(*)::int as job_count from backstay.jobs")).toEqual([{ jobCount: 2 }]);
        if (args.fails && ctx.attempt < 3) throw new Error("not yet");
      };
      const node = await makeNode({ jobs: [{ run }, { name: "test.after" }] });
      const id = await submitOne(node, { name: "test.job", args: { fails: true } });
      await becomes(id, STATE.succeeded);
      await allBecome(2, STATE.succeeded);
      expect(await notesOf()).toEqual(["attempt 3"]);
      expect(await observer`select args from backstay.jobs where name = 'test.after'`).toMatchObject([
        { args: { after: 3 } },
      ]);
    });

    it("is not kept when a statement failed, even if the job makes nothing of that", async () => {
      const run = async (_: unknown, ctx: JobContext) => {
        await note(ctx, "kept");
        if (ctx.attempt === 1) await ctx.db.run("select 1 / 0").catch(() => {});
      };
      const node = await makeNode({ jobs: [{ run }] });
      const id = await submitOne(node, { name: "test.job" });
      await becomes(id, STATE.succeeded);
      expect(await rowOf(id)).toMatchObject({ attempts: 2, last_error: expect.stringContaining("division by zero") });
      expect(await notesOf()).toEqual(["kept"]);
    });

    it("may take as long as the job, not as a call", async () => {
      const run = async (_: unknown, ctx: JobContext) => {
        await ctx.db.run("select pg_sleep(0.3)");
        await pause(300);
        await note(ctx, "slow");
        const limits =
          "select current_setting('statement_timeout') as a, current_setting('idle_in_transaction_session_timeout') as b";
        expect(await ctx.db.run(limits)).toEqual([{ a: "1min", b: "1min" }]);
      };
      const node = await makeNode({ jobs: [{ run, maxAttempts: 1 }] });
      await becomes(await submitOne(node, { name: "test.job" }), STATE.succeeded);
      expect(await notesOf()).toEqual(["slow"]);
    });

    it("is refused once the attempt has ended", async () => {
      let late: Promise<unknown> | undefined;
      const run = (_: unknown, ctx: JobContext) => {
        late = pause(50).then(() => note(ctx, "late"));
        late.catch(() => {});
      };
      const node = await makeNode({ jobs: [{ run }] });
      await becomes(await submitOne(node, { name: "test.job" }), STATE.succeeded);
      await expect(late).rejects.toMatchObject({ reason: "JOB_LOST" });
      expect(await notesOf()).toEqual([]);
    });
  });

  describe("a cancelled job", () => {
    const cancel = (id: string) =>
      observer`update backstay.jobs set state = 6, due = false, finished_at = now() where id = ${id}`;

    it("is told at once, and keeps nothing", async () => {
      const held = gate();
      let reason: unknown;
      const run = async (_: unknown, ctx: JobContext) => {
        await note(ctx, "undone");
        await held.pass(ctx.signal).catch((error) => {
          reason = error;
          throw error;
        });
      };
      const node = await makeNode({ jobs: [{ run }] });
      const id = await submitOne(node, { name: "test.job" });
      await eventually(held.waiting).toBe(1);
      bus.publish("jobs.cancelled", { ids: [id] });
      await pause(100);
      // An old notice ends nothing.
      expect(reason).toBeUndefined();
      await cancel(id);
      bus.publish("jobs.cancelled", { ids: [id] });
      await eventually(() => reason).toMatchObject({ reason: "JOB_LOST" });
      await eventually(() => node.worker.running()).toEqual([]);
      expect(await rowOf(id)).toMatchObject({ state: STATE.cancelled, last_error: null });
      expect(await notesOf()).toEqual([]);
    });

    it("is found out by the worker when the notice is lost, and by the job's own heartbeat", async () => {
      const ends: string[] = [];
      const run = async ({ way }: { way?: unknown }, ctx: JobContext) => {
        if (way === "beats")
          await gate()
            .pass(ctx.signal)
            .catch(() => ends.push("beats"));
        for (let left = 200; left > 0 && way === "asks"; left--) {
          await pause(10);
          await ctx.heartbeat().catch((error) => {
            ends.push("asks", error.reason);
            left = 0;
          });
        }
      };
      const node = await makeNode({ jobs: [{ run }], lease: LEASE });
      for (const way of ["beats", "asks"]) {
        const id = await submitOne(node, { name: "test.job", args: { way } });
        await becomes(id, STATE.running);
        await cancel(id);
        await eventually(() => node.worker.running()).toEqual([]);
        expect(await stateOf(id)).toBe(STATE.cancelled);
      }
      expect(ends).toEqual(["beats", "asks", "JOB_LOST"]);
    });

    it("that waits is not begun", async () => {
      let runs = 0;
      const node = await makeNode({ jobs: [{ run: () => void runs++ }] });
      const id = await submitOne(node, { name: "test.job", runAt: new Date(Date.now() + 200) });
      await cancel(id);
      await becomes(await submitOne(node, { name: "test.job", runAt: new Date(Date.now() + 300) }), STATE.succeeded);
      expect(runs).toBe(1);
      expect(await stateOf(id)).toBe(STATE.cancelled);
    });
  });

  describe("a paused queue", () => {
    it("has none of its jobs taken until it is resumed; those that run go on", async () => {
      const held = gate();
      const node = await makeNode({ jobs: [{ run: () => held.pass() }] });
      const running = await submitOne(node, { name: "test.job" });
      await eventually(held.waiting).toBe(1);
      await observer`update backstay.job_queues set paused_at = now()`;
      const waiting = await submitOne(node, { name: "test.job", priority: 100 });
      held.open();
      await becomes(running, STATE.succeeded);
      await becomes(await submitOne(node, { name: "test.job", queue: "other" }), STATE.succeeded);
      expect(await stateOf(waiting)).toBe(STATE.queued);
      await observer`update backstay.job_queues set paused_at = null`;
      await becomes(waiting, STATE.succeeded);
    });
  });

  describe("a worker", () => {
    it("keeps a job for longer than its lease", async () => {
      const run = async (_: unknown, ctx: JobContext) => {
        await note(ctx, "once");
        await pause(2.5 * LEASE);
      };
      const [node] = await makeNodes(2, { jobs: [{ run }], lease: LEASE });
      const id = await submitOne(node!, { name: "test.job" });
      await becomes(id, STATE.succeeded);
      expect((await rowOf(id)).attempts).toBe(1);
    });

    it("that is lost has its jobs taken by another, and those at their last attempt given up", async () => {
      const held = gate();
      const jobs = (run?: () => Promise<void>) => [{ name: "test.job", ...(run && { run }) }];
      const lost = await makeNode({ jobs: jobs(() => held.pass()), lease: LEASE });
      const [first, last] = await submit(
        lost,
        { name: "test.job", orderKey: "k" },
        { name: "test.job", maxAttempts: 1 },
      );
      const behind = await submitOne(lost, { name: "test.job", orderKey: "k" });
      await eventually(held.waiting).toBe(2);
      lost.freeze();
      const other = await makeNode({ jobs: jobs(), lease: LEASE });
      await becomes(first!.job.id, STATE.succeeded, 4 * LEASE);
      await becomes(behind, STATE.succeeded);
      await becomes(last!.job.id, STATE.dead);
      expect(await rowOf(first!.job.id)).toMatchObject({
        attempts: 2,
        last_error: "the worker that ran it was lost",
      });
      expect((await rowOf(last!.job.id)).last_error).toBe("the worker that ran it was lost");
      expect(other.complaints).toContainEqual(expect.objectContaining({ jobs: 2 }));
    });

    it("that comes back too late gives up what it lost, keeps nothing of it, and goes on", async () => {
      const held = gate();
      const ends: unknown[] = [];
      const run = (place: string) => async (_: unknown, ctx: JobContext) => {
        await note(ctx, place);
        if (place === "zombie" && ctx.attempt === 1) await held.pass();
        ctx.signal.addEventListener("abort", () => ends.push(ctx.signal.reason));
      };
      const zombie = await makeNode({ jobs: [{ run: run("zombie") }], lease: LEASE });
      const [finishing, waiting] = [
        await submitOne(zombie, { name: "test.job" }),
        await submitOne(zombie, { name: "test.job" }),
      ];
      await eventually(held.waiting).toBe(2);
      zombie.freeze();
      // One is about to be completed when the worker stands still.
      held.open();
      await makeNode({ jobs: [{ run: run("other") }], lease: LEASE });
      for (const id of [finishing, waiting]) await becomes(id, STATE.succeeded, 4 * LEASE);
      zombie.revive();
      await eventually(() => zombie.worker.running()).toEqual([]);
      expect(await notesOf()).toEqual(["other", "other"]);
      await nodes.pop()!.stop();
      await becomes(await submitOne(zombie, { name: "test.job" }), STATE.succeeded);
      expect(await observer`select id from backstay.job_workers`).toHaveLength(1);
    });

    it("that stops waits for its jobs, and takes no more", async () => {
      const held = gate();
      const node = await makeNode({ jobs: [{ run: () => held.pass() }], concurrency: 1 });
      const [running, waiting] = [
        await submitOne(node, { name: "test.job" }),
        await submitOne(node, { name: "test.job" }),
      ];
      await eventually(held.waiting).toBe(1);
      const stopped = node.worker.stop();
      await pause(100);
      held.open();
      await stopped;
      expect(await stateOf(running)).toBe(STATE.succeeded);
      expect(await rowOf(waiting)).toMatchObject({ state: STATE.queued, attempts: 0 });
      expect(await observer`select id from backstay.job_workers`).toEqual([]);
    });

    it("that stops gives back at once what does not end in time, as if it had never taken it", async () => {
      const held = gate();
      const reasons: unknown[] = [];
      const run = async ({ obeys }: { obeys?: unknown }, ctx: JobContext) => {
        await note(ctx, "undone");
        ctx.signal.addEventListener("abort", () => reasons.push(ctx.signal.reason.message));
        await held.pass(obeys ? ctx.signal : undefined);
      };
      const node = await makeNode({ jobs: [{ run }], drainMs: 100 });
      const ids = [
        await submitOne(node, { name: "test.job", args: { obeys: true } }),
        await submitOne(node, { name: "test.job", orderKey: "k" }),
      ];
      await eventually(held.waiting).toBe(2);
      await node.worker.stop();
      expect(reasons).toEqual(["the server stops", "the server stops"]);
      for (const id of ids) {
        expect(await rowOf(id)).toMatchObject({ state: STATE.queued, attempts: 0, due: true, last_error: null });
      }
      await makeNode({ jobs: [{ run: (_, ctx) => note(ctx, "done") }] });
      for (const id of ids) await becomes(id, STATE.succeeded);
      expect(await notesOf()).toEqual(["done", "done"]);
    });

    it("shares the work with others, and none is done twice", async () => {
      const workers = new Set<number>();
      const both = [1, 2].map((worker) =>
        makeNode({
          jobs: [
            {
              run: async (_, ctx) => {
                workers.add(worker);
                await note(ctx, ctx.id);
              },
            },
          ],
        }),
      );
      const [node] = await Promise.all(both);
      const jobs = Array.from({ length: 500 }, () => ({ name: "test.job" }));
      await submit(node!, ...jobs);
      await submit(node!, ...jobs);
      await allBecome(1_000, STATE.succeeded);
      const notes = await notesOf();
      expect(notes).toHaveLength(1_000);
      expect(new Set(notes).size).toBe(1_000);
      expect(workers.size).toBe(2);
    });
  });

  describe("a database that goes away", () => {
    it("loses no job and does none twice, whatever was under way", async () => {
      const proxy = await chaosProxy(url);
      test.onTestFinished(() => proxy.stop());
      const run = async (_: unknown, ctx: JobContext) => {
        await note(ctx, ctx.id);
        await pause(Math.random() * 5);
      };
      const jobs = [{ run, maxAttempts: 100 }];
      const submitter = await makeNode({ jobs, works: false });
      const ids: string[] = [];
      for (let n = 0; n < 300; n++) {
        const order = n % 3 === 0 ? { orderKey: `k${n % 9}` } : {};
        ids.push(await submitOne(submitter, { name: "test.job", ...order }));
      }
      const node = await makeNode({ jobs, url: proxy.through(url), lease: LEASE });
      for (let round = 0; round < 3; round++) {
        await pause(150);
        if (round % 2 === 0) proxy.reset();
        await proxy.cut();
        await pause(300);
        await proxy.mend();
      }
      await allBecome(300, STATE.succeeded, 20_000);
      const notes = await notesOf();
      expect([...notes].sort()).toEqual([...ids].sort());
      expect(node.complaints.filter(({ message }) => /could not be written/.test(message))).toEqual([]);
    });
  });
}
