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

describe("a job's transaction", () => {
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
