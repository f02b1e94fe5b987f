/** `npm run bench -- jobs`: our jobs beside graphile-worker and pg-boss, on one PostgreSQL, in one run. */
import { execFileSync, spawn } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { shareGround } from "../server/app.js";
import { freePort } from "../server/cli/free-port.js";
import { ROOT } from "./processes.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: "string", default: "20000" },
    rounds: { type: "string", default: "3" },
    /** Does it run, not how fast. */
    quick: { type: "boolean", default: false },
  },
});
const jobs = flags.quick ? 2_000 : Number(flags.jobs);
const rounds = flags.quick ? 1 : Number(flags.rounds);
const singles = flags.quick ? 500 : 5_000;
const pickups = flags.quick ? 20 : 200;

/** The peers, as they are installed for this run. */
const PEERS = { "graphile-worker": "0.18.0", "pg-boss": "12.38.0" } as const;
type Peer = keyof typeof PEERS;

/** What is promised: drained in batches, by the faster; by default settings, by the slower; single adds, by graphile-worker. */
const GOAL = { batched: 1, plain: 3, single: 2, pickupMs: 5 };
/** At its defaults a peer may take one job in two seconds, so it gets few. */
const PLAIN_JOBS = { "graphile-worker": 2_000, "pg-boss": 5 };

interface Answer {
  perSecond?: number;
  p50?: number;
  p99?: number;
}

const folder = await mkdtemp(join(tmpdir(), "backstay-bench-jobs-"));
await chmod(folder, 0o711);
const ground = await shareGround(join(folder, "home"), await freePort());
try {
  await installPeers();
  await prepareApp();
  const loadBefore = loadavg()[0];
  const measured: Record<string, Answer[]> = {};
  const note = (name: string, answer: Answer) => {
    measured[name] = [...(measured[name] ?? []), answer];
    console.error(`bench: ${name} ${JSON.stringify(answer)}`);
  };
  for (let round = 0; round < rounds; round++) {
    for (const peer of Object.keys(PEERS) as Peer[]) {
      note(`${peer} batched`, await filled(peer, jobs, "batched"));
      note(`${peer} plain`, await filled(peer, PLAIN_JOBS[peer], "plain"));
      note(`${peer} single`, await onPeer(peer, "single", singles));
    }
    note("graphile-worker pickup", await onPeer("graphile-worker", "pickup", pickups));
    await onOurs("fill", jobs);
    note("backstay batched", await onOurs("drain", jobs, { BACKSTAY_JOBS_CONCURRENCY: "1000" }));
    await onOurs("fill", jobs);
    note("backstay plain", await onOurs("drain", jobs));
    note("backstay single", await onOurs("single", singles, { BACKSTAY_ROLES: "api,relay" }));
    note("backstay pickup", await onOurs("pickup", pickups));
  }
  const rate = (name: string) => median(measured[name]!.map(({ perSecond }) => perSecond!));
  const ratio = (name: string, other: string) =>
    median(measured[name]!.map(({ perSecond }, n) => perSecond! / measured[other]![n]!.perSecond!));
  const peers = Object.keys(PEERS);
  const batched = Math.min(...peers.map((peer) => ratio("backstay batched", `${peer} batched`)));
  const plain = Math.max(...peers.map((peer) => ratio("backstay plain", `${peer} plain`)));
  const single = ratio("backstay single", "graphile-worker single");
  const pickup = median(measured["backstay pickup"]!.map(({ p50 }) => p50!));
  const report = {
    date: new Date().toISOString(),
    node: process.versions.node,
    database: `embedded PostgreSQL ${ground.version}`,
    peers: PEERS,
    load: { before: loadBefore, after: loadavg()[0] },
    jobs,
    rounds,
    perSecond: Object.fromEntries(
      Object.keys(measured)
        .filter((name) => !name.endsWith("pickup"))
        .map((name) => [name, Math.round(rate(name))]),
    ),
    pickupMs: { backstay: measured["backstay pickup"], "graphile-worker": measured["graphile-worker pickup"] },
    goals: {
      batchedOfTheFaster: { ratio: batched, least: GOAL.batched, met: batched >= GOAL.batched },
      plainOfTheSlower: { ratio: plain, least: GOAL.plain, met: plain >= GOAL.plain },
      singleOfGraphileWorker: { ratio: single, least: GOAL.single, met: single >= GOAL.single },
      pickupP50Ms: { ms: pickup, most: GOAL.pickupMs, met: pickup < GOAL.pickupMs },
    },
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  await ground.stop();
  await rm(folder, { recursive: true, force: true });
}

async function installPeers(): Promise<void> {
  const place = join(folder, "peers");
  await mkdir(place);
  await writeFile(join(place, "package.json"), '{ "private": true }\n');
  const packages = Object.entries(PEERS).map(([name, version]) => `${name}@${version}`);
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...packages], { cwd: place });
}

async function prepareApp(): Promise<void> {
  const place = join(folder, "app");
  await mkdir(join(place, "node_modules"), { recursive: true });
  await symlink(ROOT, join(place, "node_modules", "backstay"));
  await writeFile(join(place, "package.json"), '{ "type": "module" }\n');
  await cp(join(ROOT, "bench/job-app.ts"), join(place, "app.ts"));
}

async function filled(peer: Peer, count: number, what: string): Promise<Answer> {
  await freshPeer(peer);
  await onPeer(peer, "fill", count);
  return onPeer(peer, what, count);
}

/** What is left of a bounded drain must not slow the next one. */
async function freshPeer(peer: Peer): Promise<void> {
  const sql = postgres(ground.databaseUrl, { max: 1, onnotice: () => {} });
  await sql.unsafe(`drop schema if exists ${peer === "pg-boss" ? "pgboss" : "graphile_worker"} cascade`);
  await sql.end();
}

function onPeer(peer: Peer, what: string, count: number): Promise<Answer> {
  const script = join(ROOT, "bench/job-peers.mjs");
  return answerOf([script, join(folder, "peers"), peer, ground.databaseUrl, what, String(count)], folder, {});
}

function onOurs(what: string, count: number, env: Record<string, string> = {}): Promise<Answer> {
  const words = [join(ROOT, "server/cli/bin.mjs"), "serve", "--port", "0", "--home", join(folder, "node")];
  return answerOf(words, join(folder, "app"), {
    DATABASE_URL: ground.databaseUrl,
    BACKSTAY_SECRET: ground.secret,
    BACKSTAY_LOG_LEVEL: "error",
    BENCH_WHAT: what,
    BENCH_COUNT: String(count),
    ...(what === "fill" && { BACKSTAY_ROLES: "api,relay" }),
    ...env,
  });
}

/** The last line that is JSON with a figure of what a process prints until it ends. */
function answerOf(words: string[], cwd: string, env: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, {
      cwd,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 300_000,
    });
    let [out, complaints] = ["", ""];
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      complaints = (complaints + chunk).slice(-2_000);
    });
    child.once("close", (code) => {
      const found = out.split("\n").find((line) => /^\{"(perSecond|filled|p50)"/.test(line));
      if (found !== undefined) resolve(JSON.parse(found) as Answer);
      else reject(new Error(`${words.slice(0, 4).join(" ")} ended (${code}) without an answer: ${complaints}`));
    });
  });
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
