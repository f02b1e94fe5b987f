/**
 * `npm run bench -- social`: PutConnection beside the same by hand, likes of one account beside the same on a single counter's row,
 * and how many of them the server takes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { startLoad } from "./load.js";
import { measure, type Result } from "./measure.js";
import { measureCalls } from "./social-calls.js";
import { startSocialGround } from "./social-ground.js";
import { PUT_GOAL, peersOf, putCases } from "./social-puts.js";
import { measureStatements } from "./social-statements.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "7" },
    /** Only some: puts, statements, calls. */
    only: { type: "string", multiple: true },
    json: { type: "string" },
    /** A folder for a CPU profile of Backstay; figures with it say nothing. */
    profile: { type: "string" },
    /** Does it run, not how fast. */
    quick: { type: "boolean", default: false },
  },
});
const rounds = flags.quick ? 2 : Number(flags.rounds);
const plan = flags.quick ? { rounds, warmMs: 300, sliceMs: 400 } : { rounds, warmMs: 1_500, sliceMs: 1_500 };
const isAsked = (part: string) => flags.only === undefined || flags.only.includes(part);
const tell = (text: string) => console.error(`bench: ${text}`);

/** People who are liked in the first part, and in the last. */
const PUT_PEERS = peersOf(rounds);
const CALL_PEERS = (rounds + 1) * 101;

const loadBefore = loadavg()[0];
tell("starting the servers");
const likers = flags.quick ? 4_000 : 12_000;
const profileDir = flags.profile && resolve(flags.profile);
if (profileDir) mkdirSync(profileDir, { recursive: true });
const ground = await startSocialGround({ likers, peers: PUT_PEERS + CALL_PEERS, profileDir });
const load = startLoad();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => load.stop());
try {
  const puts = isAsked("puts")
    ? await measure(load, putCases(ground, ground.peers.slice(0, PUT_PEERS)), plan, ground.betweenRounds, tell)
    : undefined;
  const statements = isAsked("statements") ? await measureStatements(ground, plan, tell) : undefined;
  const calls = isAsked("calls")
    ? await measureCalls(load, ground, ground.peers.slice(PUT_PEERS), plan, tell)
    : undefined;
  const report = {
    date: new Date().toISOString(),
    machine: { cpu: cpus()[0]!.model, cores: cpus().length, loadBefore, loadAfter: loadavg()[0] },
    node: process.versions.node,
    database: `embedded PostgreSQL ${ground.version}`,
    plan,
    ...(puts && { puts: puts.map(withTime) }),
    ...(statements && { statements }),
    ...(calls && { calls }),
  };
  const json = JSON.stringify(report, null, 2);
  if (flags.json) writeFileSync(flags.json, `${json}\n`);
  console.log(json);
} finally {
  load.stop();
  await ground.stop();
}

/** With the time of a call as a share of the reference's: what the rate is the other way round. */
function withTime({ rpsRatio, goal, ...result }: Result) {
  const { median, min, max } = rpsRatio;
  const inverse = (rate: number) => Math.round(1_000 / rate) / 1_000;
  const timeRatio = { median: inverse(median), min: inverse(max), max: inverse(min) };
  return { ...result, timeRatio, goal: { ...PUT_GOAL, met: goal!.met } };
}
