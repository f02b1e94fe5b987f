/** `npm run bench -- cache`: what a hit costs, a read through the cache beside the same query, and a change on another node. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { shareGround } from "../server/app.js";
import { freePort } from "../server/cli/free-port.js";
import { startNatsServer } from "../server/cli/nats-server.js";
import { memoryBus } from "../server/platform/bus/memory.js";
import { natsBus } from "../server/platform/bus/nats.js";
import type { Cache } from "../server/platform/cache/cache.js";
import { memoryCaches } from "../server/platform/cache/memory.js";
import type { Database } from "../server/platform/db/index.js";
import { postgresDatabase } from "../server/platform/db/postgres.js";
import { createLog } from "../server/platform/log.js";
import { natsLink } from "../server/platform/nats.js";
import { ROOT } from "./processes.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "7" },
    /** Hits of one slice. */
    hits: { type: "string", default: "2000000" },
    /** Point queries of one slice. */
    queries: { type: "string", default: "5000" },
    /** Changes that another process is to hear of. */
    changes: { type: "string", default: "1000" },
    /** Does it run, not how fast. */
    quick: { type: "boolean", default: false },
  },
});
const rounds = flags.quick ? 2 : Number(flags.rounds);
const hits = flags.quick ? 100_000 : Number(flags.hits);
const queries = flags.quick ? 300 : Number(flags.queries);
const changes = flags.quick ? 50 : Number(flags.changes);

const GOAL = { hitNs: 2_000, invalidationMaxMs: 100 };
const KEYS = 10_000;

const home = await mkdtemp(join(tmpdir(), "backstay-bench-"));
await chmod(home, 0o711);
const stops: (() => Promise<unknown>)[] = [() => rm(home, { recursive: true, force: true })];
try {
  const hit = await hitCosts();
  const { throughUs, queryUs } = await besideQuery();
  const invalidationMs = await invalidations();
  const ratio = spread(queryUs.map((us, n) => us / throughUs[n]!));
  const report = {
    date: new Date().toISOString(),
    node: process.versions.node,
    rounds,
    keys: KEYS,
    /** Nanoseconds of one answer from memory, of keys all over. */
    hitNs: hit,
    /** Microseconds of one read after the other: from memory, and by a point query of an open, prepared connection. */
    readUs: { through: spread(throughUs), query: spread(queryUs), queryOverThrough: ratio },
    /** Milliseconds from the change in one process until another, over NATS, does not hold the key any more. */
    invalidationMs,
    goal: {
      ...GOAL,
      met:
        hit.through.median < GOAL.hitNs && hit.get.median < GOAL.hitNs && invalidationMs.max < GOAL.invalidationMaxMs,
    },
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  for (const stop of stops.reverse()) await stop();
}

function localCache(): Cache<number> {
  return memoryCaches({ bus: memoryBus(console.error), tables: [], named: new Map() }).create("bench", {
    max: KEYS,
    ttlMs: undefined,
  });
}

async function hitCosts() {
  console.error("bench: hits");
  const keys = Array.from({ length: KEYS }, (_, n) => `some/kind/of/key/${n}`);
  const cache = localCache();
  const never = () => Promise.reject<number>(new Error("this was to be a hit"));
  const slice = (ask: (key: string) => unknown) => {
    // So that none is too old for `through` before its slice ends.
    for (const [n, key] of keys.entries()) cache.put(key, n);
    const began = performance.now();
    for (let n = 0, at = 0; n < hits / 10; n++) {
      // Keys in an order that no processor's cache foresees.
      at = (at + 7_919) % KEYS;
      ask(keys[at]!);
    }
    return ((performance.now() - began) / (hits / 10)) * 1e6;
  };
  const asks = { through: (key: string) => cache.through(key, never), get: (key: string) => cache.get(key) };
  const measure = (ask: (key: string) => unknown) => {
    slice(ask);
    return spread(Array.from({ length: rounds }, () => median(Array.from({ length: 10 }, () => slice(ask)))));
  };
  return { through: measure(asks.through), get: measure(asks.get) };
}

async function besideQuery() {
  console.error("bench: reads through the cache and by query");
  const ground = await shareGround(join(home, "ground"), await freePort());
  stops.push(() => ground.stop());
  const limits = { statementTimeout: 5_000, lockTimeout: 5_000, acquireTimeout: 5_000 };
  const database: Database = postgresDatabase({ target: { url: ground.databaseUrl }, poolSize: 2, ...limits });
  stops.push(() => database.stop());
  await database.start();
  await database.batch(`create table public.bench as select n::text as key, n from generate_series(0, ${KEYS - 1}) n;
    alter table public.bench add primary key (key); analyze public.bench`);
  const query = async (key: string) => {
    const [row] = await database.run<{ n: number }>("select n from public.bench where key = $1", [key], "prepared");
    return row!.n;
  };
  const cache = localCache();
  /** A hundred keys that are asked for again and again: each is loaded once in about two seconds. */
  const slice = async (read: (key: string) => number | Promise<number>, count: number) => {
    const began = performance.now();
    for (let n = 0; n < count; n++) await read(String((n * 7) % 100));
    return ((performance.now() - began) / count) * 1000;
  };
  const through = (key: string) => cache.through(key, () => query(key));
  await slice(query, queries);
  await slice(through, queries);
  const [throughUs, queryUs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    queryUs.push(await slice(query, queries));
    throughUs.push(await slice(through, queries * 100));
  }
  return { throughUs, queryUs };
}

async function invalidations() {
  console.error("bench: changes that another process hears of");
  const nats = await startNatsServer({ storeDir: join(home, "nats") });
  stops.push(() => nats.stop());
  const link = natsLink({ urls: [nats.url], log: createLog({ level: "warn" }) });
  const bus = natsBus({ link, prefix: "bench", installation: "bench", onError: console.error });
  const cache = memoryCaches({ bus, tables: [], named: new Map() }).create("bench", { max: 10, ttlMs: undefined });
  await link.start();
  await bus.start();
  stops.push(async () => {
    await bus.stop();
    await link.stop();
  });
  const reader = fork(join(ROOT, "bench/cache-reader.ts"), [nats.url], { execArgv: ["--import", "tsx"] });
  stops.push(async () => {
    const gone = once(reader, "exit");
    reader.disconnect();
    await gone;
  });
  await said(reader);
  const taken: number[] = [];
  for (let n = 0; n < changes; n++) {
    reader.send(`key ${n}`);
    await said(reader);
    const changedAt = Number(process.hrtime.bigint());
    cache.drop(`key ${n}`);
    const { goneAt } = await said(reader);
    taken.push((goneAt! - changedAt) / 1e6);
  }
  const sorted = taken.sort((a, b) => a - b);
  const at = (share: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

async function said(reader: ChildProcess): Promise<{ goneAt?: number }> {
  const [message] = await once(reader, "message");
  return message as { goneAt?: number };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function spread(values: number[]) {
  const sorted = values.map(rounded).sort((a, b) => a - b);
  return { median: median(sorted), min: sorted[0]!, max: sorted.at(-1)! };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
