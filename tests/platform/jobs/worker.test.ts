import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import type { JobContext, NewJob } from "../../../server/kernel/jobs.js";
import { memoryBus } from "../../../server/platform/bus/memory.js";
import type { Database } from "../../../server/platform/db/index.js";
import { STATE } from "../../../server/platform/queue/index.js";
import { postgresQueue } from "../../../server/platform/queue/postgres.js";
import { type QueueNode, type QueueNodeTerms, startQueueNode } from "../../contracts/queue-nodes.js";
import { createDatabaseOn, type TestDatabase } from "../../support/postgres.js";
import "../../support/provided.js";

let data: TestDatabase;
let sql: postgres.Sql;
const nodes: QueueNode[] = [];
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  sql = postgres(data.url, { max: 2, onnotice: () => {} });
  await sql`create table notes (job text, attempt int)`;
});
beforeEach(() => sql`truncate backstay.jobs, backstay.job_queues, backstay.job_workers, notes`);
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await data?.drop();
});

async function startNode(terms: Partial<QueueNodeTerms> & Pick<QueueNodeTerms, "jobs">): Promise<QueueNode> {
  const bus = memoryBus(() => {});
  const openQueue = async () => ({ queue: postgresQueue({ bus }), close: async () => {} });
  const node = await startQueueNode({ url: data.url, bus, openQueue, ...terms });
  nodes.push(node);
  return node;
}

const submit = async (node: QueueNode, ...jobs: NewJob[]) => {
  const submitted = await node.submit({ db: node.database, afterCommit: (effect) => effect() }, jobs);
  return submitted.map(({ job }) => job.id);
};
const rowOf = async (id: string) => (await sql`select * from backstay.jobs where id = ${id}`)[0]!;
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 5_000, interval: 10 });
const becomes = (id: string, state: number) => eventually(async () => (await rowOf(id)).state).toBe(state);
const note = (ctx: JobContext) => ctx.db.run("insert into notes values ($1, $2)", [ctx.id, ctx.attempt]);
const notesOf = async () => (await sql`select attempt from notes`).map(({ attempt }) => attempt as number);

/** A database whose answers to some statements are lost, once they are done. */
function losing(database: Database, isLost: (text: string) => boolean): Database {
  return {
    ...database,
    async run(text, values, use) {
      const rows = await database.run(text, values, use);
      if (isLost(text)) throw new DomainError("DATABASE_UNAVAILABLE");
      return rows as never;
    },
  };
}

describe("a worker", () => {
  it("gives back what it took without having been told so", async () => {
    let lost = 0;
    const over = (database: Database) => losing(database, (text) => /as taken|, taken as/.test(text) && lost++ === 2);
    const node = await startNode({ jobs: [{}], lease: 800, over });
    await eventually(() => lost).toBeGreaterThan(1);
    const [id] = await submit(node, { name: "test.job" });
    await eventually(async () => (await rowOf(id!)).state).toBe(STATE.running);
    expect(node.worker.running()).toEqual([]);
    await becomes(id!, STATE.succeeded);
    expect((await rowOf(id!)).attempts).toBe(1);
  });

  it("writes again what became of jobs until it has been told that it is written", async () => {
    let lost = 0;
    const over = (database: Database) =>
      losing(database, (text) => text.includes("set\n      state = case when s.error") && lost++ < 3);
    const node = await startNode({ jobs: [{ run: () => "done" }], over });
    const [id] = await submit(node, { name: "test.job" });
    await eventually(() => lost).toBe(4);
    expect(await rowOf(id!)).toMatchObject({ state: STATE.succeeded, result: "done", attempts: 1 });
  });

  it("gives up a job alone whose result the database refuses, and writes what became of the others", async () => {
    const run = ({ n }: { n?: unknown }) => (n === 0 ? "odd" : n);
    const over = (database: Database): Database => ({
      ...database,
      run: async (text, values, use) => {
        if (text.includes("case when s.error") && JSON.stringify(values).includes("odd"))
          throw new Error("too strange");
        return database.run(text, values, use);
      },
    });
    const node = await startNode({ jobs: [{ run }], over });
    const ids = await submit(node, ...[0, 1, 2].map((n) => ({ name: "test.job", args: { n } })));
    await becomes(ids[0]!, STATE.dead);
    expect((await rowOf(ids[0]!)).last_error).toMatch(/^Error: too /);
    for (const n of [1, 2]) {
      await becomes(ids[n]!, STATE.succeeded);
      expect((await rowOf(ids[n]!)).result).toBe(n);
    }
  });

  it("writes in words of its own what the database refuses, so that a job is never left as one that runs", async () => {
    const over = (database: Database): Database => ({
      ...database,
      run: async (text, values, use) => {
        if (text.includes("case when s.error") && JSON.stringify(values).includes("strange"))
          throw new Error("strange");
        return database.run(text, values, use);
      },
    });
    const run = () => {
      throw new Error("strange");
    };
    const node = await startNode({ jobs: [{ run }], over });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.dead);
    expect(await rowOf(id!)).toMatchObject({ attempts: 1, last_error: expect.stringMatching(/database refused it$/) });
  });

  it("tries again within a year, whatever a declaration says of that, and gives up what says nothing", async () => {
    const odd = {
      "test.nan": () => Number.NaN,
      "test.ever": () => Number.POSITIVE_INFINITY,
      "test.past": () => Number.NEGATIVE_INFINITY,
      "test.none": () => {
        throw new Error("no idea");
      },
    };
    const run = (_: unknown, { attempt }: JobContext) => {
      if (attempt === 1) throw new Error("once more");
    };
    const node = await startNode({ jobs: Object.entries(odd).map(([name, backoffMs]) => ({ name, run, backoffMs })) });
    const ids = await submit(node, ...Object.keys(odd).map((name) => ({ name })));
    await becomes(ids[0]!, STATE.retrying);
    await becomes(ids[1]!, STATE.retrying);
    await becomes(ids[2]!, STATE.succeeded);
    await becomes(ids[3]!, STATE.dead);
    expect((await rowOf(ids[3]!)).last_error).toMatch(/^Error: no idea/);
    const inDays = async (id: string) => ((await rowOf(id)).run_at - Date.now()) / 86_400_000;
    expect(await inDays(ids[0]!)).toBeLessThan(1);
    expect(await inDays(ids[1]!)).toBeCloseTo(365, 0);
  });

  it("goes on when what a job throws throws itself", async () => {
    const thrown = [
      Object.assign(new Error("odd"), { stack: null }),
      Object.defineProperty(new Error("odd"), "message", {
        get() {
          throw new Error("do not look");
        },
      }),
    ];
    const run = ({ n }: { n?: unknown }) => {
      throw thrown[Number(n)];
    };
    const node = await startNode({ jobs: [{ run, maxAttempts: 1 }] });
    const ids = await submit(node, ...thrown.map((_, n) => ({ name: "test.job", args: { n } })));
    for (const id of ids) await becomes(id, STATE.dead);
    expect(node.worker.running()).toEqual([]);
  });

  it("takes back soon after its start all the jobs of those that are lost, but leaves them a moment to say that they are there", async () => {
    const held = async () => Number((await sql`select count(*) as n from backstay.jobs where state = 2`)[0]!.n);
    await sql`insert into backstay.jobs
        (id, name, queue, args, state, due, priority, run_at, max_attempts, holds_key, created_at, attempts, worker_id, fence)
      select gen_random_uuid(), 'test.other', 'default', '{}', 2, false, 0, now(), 5, false, now(), 1, gen_random_uuid(), 1
      from generate_series(1, 2500)`;
    // The moment is a twentieth of the lease: nodes that do not live for long take their share of rescuing too.
    const node = await startNode({ jobs: [{}], lease: 60_000 });
    expect(await held()).toBe(2_500);
    await eventually(held).toBe(0);
    const told = node.complaints.filter(({ message }) => /taken back/.test(message));
    expect(told).toEqual([expect.objectContaining({ jobs: 2_500 })]);
  });

  it("takes of each name as many as there is room for, at once", async () => {
    const now = new Map<string, number>();
    const most = new Map<string, number>();
    const run = async (_: unknown, { name }: JobContext) => {
      now.set(name, (now.get(name) ?? 0) + 1);
      most.set(name, Math.max(most.get(name) ?? 0, now.get(name)!));
      await new Promise((resolve) => setTimeout(resolve, 20));
      now.set(name, now.get(name)! - 1);
    };
    const limits = { "test.one": 1, "test.two": 2, "test.many": undefined };
    const jobs = Object.entries(limits).map(([name, concurrency]) => ({ name, run, concurrency }));
    const node = await startNode({ jobs, concurrency: 8 });
    const names = Object.keys(limits).flatMap((name) => Array.from({ length: 12 }, () => ({ name })));
    const ids = await submit(node, ...names);
    for (const id of ids) await becomes(id, STATE.succeeded);
    expect(Object.fromEntries(most)).toEqual({ "test.one": 1, "test.two": 2, "test.many": expect.any(Number) });
    expect(most.get("test.many")).toBeGreaterThan(4);
    expect(most.get("test.many")).toBeLessThanOrEqual(8);
  });

  it("has hands of their own for the server's jobs", async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const jobs = [{ run: () => gate }, { name: "backstay.own", inside: true }];
    const node = await startNode({ jobs, concurrency: 2, inside: 1 });
    const held = await submit(node, ...Array.from({ length: 4 }, () => ({ name: "test.job", priority: 100 })));
    const own = await submit(node, ...Array.from({ length: 5 }, () => ({ name: "backstay.own" })));
    for (const id of own) await becomes(id, STATE.succeeded);
    expect(node.worker.running()).toEqual(held.slice(0, 2).map((id) => ({ id, name: "test.job", attempt: 1 })));
    open();
    for (const id of held) await becomes(id, STATE.succeeded);
  });
});

describe("a heartbeat", () => {
  it("of an attempt that has ended is refused", async () => {
    let late: JobContext | undefined;
    const run = (_: unknown, ctx: JobContext) => {
      late = ctx;
    };
    const isHeldAlways = (database: Database): Database => ({
      ...database,
      run: async (text, values, use) =>
        /^select state from/.test(text) ? ([{ state: STATE.running }] as never) : database.run(text, values, use),
    });
    const node = await startNode({ jobs: [{ run }], over: isHeldAlways });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.succeeded);
    await expect(late!.heartbeat()).rejects.toMatchObject({ reason: "JOB_LOST" });
  });
});

describe("a job whose next of the order key is in somebody's hands", () => {
  /** Two jobs of a key, of which the second is in the transaction of a third, which waits for the test. */
  const start = async (
    first: { run(ctx: JobContext): unknown; timeoutMs?: number },
    terms: Partial<QueueNodeTerms> = {},
  ) => {
    const [goOn, letGo] = [gate(), gate()];
    const replace = { name: "test.second", uniqueKey: "u", onConflict: "replace" as const };
    const jobs = [
      {
        name: "test.first",
        timeoutMs: first.timeoutMs,
        run: (_: unknown, ctx: JobContext) => goOn.wait(() => first.run(ctx)),
      },
      { name: "test.second" },
      { name: "test.holder", run: (_: unknown, ctx: JobContext) => ctx.submit(replace).then(() => letGo.wait()) },
      { name: "test.other" },
    ];
    const node = await startNode({ jobs, ...terms });
    const [first_, second, holder] = [
      ...(await submit(node, { name: "test.first", orderKey: "k" }, { ...replace, orderKey: "k" })),
      ...(await submit(node, { name: "test.holder" })),
    ];
    await eventually(letGo.waiting).toBe(1);
    await eventually(goOn.waiting).toBe(1);
    return { node, first: first_!, second: second!, holder: holder!, goOn, letGo };
  };
  const gate = () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    let waiting = 0;
    return {
      open: () => open(),
      waiting: () => waiting,
      wait(then: () => unknown = () => {}) {
        waiting++;
        return opened.then(then);
      },
    };
  };
  const othersAreDone = async (node: QueueNode) => {
    const others = await submit(node, { name: "test.other" }, { name: "test.other", orderKey: "other" });
    for (const id of others) await becomes(id, STATE.succeeded);
  };

  it.each(["none", "one"])(
    "is done when that is let go, and holds up nobody else; with a transaction: %s",
    async (own) => {
      const { node, first, second, holder, goOn, letGo } = await start({
        run: (ctx) => (own === "one" ? note(ctx) : undefined),
        timeoutMs: 1_000,
      });
      goOn.open();
      await othersAreDone(node);
      // Longer than a lock is waited for, and than the attempt may take.
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      await othersAreDone(node);
      expect((await rowOf(first)).state).toBe(STATE.running);
      letGo.open();
      for (const id of [first, second, holder]) await becomes(id, STATE.succeeded);
      expect((await rowOf(first)).attempts).toBe(1);
      expect(await notesOf()).toEqual(own === "one" ? [1] : []);
    },
  );

  it("is taken back from a lost worker when that is let go, and the others before", async () => {
    const { node, first, second, letGo } = await start({ run: () => {} }, { lease: 400 });
    const lost = `update backstay.jobs set worker_id = gen_random_uuid(), attempts = max_attempts where id = $1`;
    const [other] = await submit(node, { name: "test.other", runAt: new Date(Date.now() + 60_000) });
    await sql.unsafe(lost, [first]);
    await sql`update backstay.jobs set state = 2, worker_id = gen_random_uuid(), attempts = max_attempts where id = ${other!}`;
    await becomes(other!, STATE.dead);
    expect((await rowOf(first)).state).toBe(STATE.running);
    letGo.open();
    await becomes(first, STATE.dead);
    await becomes(second, STATE.succeeded);
  });
});

describe("a job's transaction", () => {
  it("lets the next of its order key go, which is offered as soon as it is committed", async () => {
    const offered: string[] = [];
    const bus = memoryBus(() => {});
    const openQueue = async () => {
      const queue = postgresQueue({ bus });
      const offer = (due: Parameters<typeof queue.offer>[0]) => {
        offered.push(...due.map(({ id }) => id));
        queue.offer(due);
      };
      return { queue: { ...queue, offer }, close: async () => {} };
    };
    const node = await startNode({ jobs: [{ run: (_, ctx) => note(ctx) }], bus, openQueue });
    const ids = await submit(node, { name: "test.job", orderKey: "k" }, { name: "test.job", orderKey: "k" });
    for (const id of ids) await becomes(id, STATE.succeeded);
    expect(offered.slice(2)).toEqual([ids[1]]);
  });

  it("is kept open by the job's heartbeats", async () => {
    const run = async (_: unknown, ctx: JobContext) => {
      await note(ctx);
      for (let beats = 0; beats < 6; beats++) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        await ctx.heartbeat();
      }
      await note(ctx);
    };
    const node = await startNode({ jobs: [{ run, timeoutMs: 400 }] });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.succeeded);
    expect(await notesOf()).toEqual([1, 1]);
  });

  it("that holds the job's row before its commit is given up soon, however long the job may take", async () => {
    let limit: unknown;
    const overTransactions = (database: Database): Database => ({
      ...database,
      transaction: (work, signal) =>
        database.transaction(
          (db) =>
            work({
              async run(text, values, use) {
                const rows = await db.run(text, values, use);
                const read = "select current_setting('idle_in_transaction_session_timeout') as ms";
                if (/set state = 4/.test(text)) limit = (await db.run<{ ms: string }>(read, []))[0]!.ms;
                return rows as never;
              },
            }),
          signal,
        ),
    });
    const node = await startNode({ jobs: [{ run: (_, ctx) => note(ctx), timeoutMs: 3_600_000 }], overTransactions });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.succeeded);
    expect(limit).toBe("10s");
  });

  /** The transactions' connections are lost in the commit: before it is done, or after. */
  const cutting = (when: "before" | "after", once: { left: number }) => (database: Database) => ({
    ...database,
    transaction: async <T>(work: Parameters<typeof database.transaction<T>>[0], signal?: AbortSignal) => {
      const result = await database.transaction(async (db) => {
        const done = await work(db);
        if (when === "before" && once.left-- > 0) throw new DomainError("DATABASE_UNAVAILABLE");
        return done;
      }, signal);
      if (when === "after" && once.left-- > 0) throw new DomainError("DATABASE_UNAVAILABLE");
      return result;
    },
  });

  it.each(["before", "after"] as const)("is kept once when the connection is lost %s its commit", async (when) => {
    const overTransactions = cutting(when, { left: 1 });
    const node = await startNode({ jobs: [{ run: (_, ctx) => note(ctx) }], overTransactions });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.succeeded);
    const attempt = when === "before" ? 2 : 1;
    expect(await notesOf()).toEqual([attempt]);
    expect((await rowOf(id!)).attempts).toBe(attempt);
  });

  it("is undone, with its connection free again, when the attempt is told to end", async () => {
    const run = async (_: unknown, ctx: JobContext) => {
      await note(ctx);
      if (ctx.attempt === 1) await ctx.db.run("select pg_sleep(30)");
    };
    const node = await startNode({ jobs: [{ run, timeoutMs: 200 }], concurrency: 1 });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.succeeded);
    expect(await notesOf()).toEqual([2]);
    expect(
      await sql`select pid from pg_stat_activity where query ~ 'pg_sleep' and state = 'active' and pid <> pg_backend_pid()`,
    ).toEqual([]);
  });

  it("ends with the attempt when the database ends it", async () => {
    const run = async (_: unknown, ctx: JobContext) => {
      const [{ pid } = { pid: 0 }] = await ctx.db.run<{ pid: number }>("select pg_backend_pid() as pid");
      await note(ctx);
      if (ctx.attempt === 1) await sql`select pg_terminate_backend(${pid})`;
      await new Promise((resolve) => setTimeout(resolve, 100));
      await note(ctx).catch(() => {});
    };
    const node = await startNode({ jobs: [{ run }] });
    const [id] = await submit(node, { name: "test.job" });
    await becomes(id!, STATE.succeeded);
    expect(await notesOf()).toEqual([2, 2]);
  });
});
