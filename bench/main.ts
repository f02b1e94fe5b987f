import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { allCases, type Case } from "./cases.js";
import { startLoad } from "./load.js";
import { measure } from "./measure.js";
import { residentMiB } from "./processes.js";
import { type Report, table } from "./report.js";
import { measureRouting } from "./routing.js";
import { startSubjects } from "./subjects.js";

const USAGE = `npm run bench -- [--json FILE] [--quick] [--only NAME]... [--rounds N] [--profile FOLDER]
  --json FILE       also writes the JSON there
  --quick           two short rounds: does it run, not how fast
  --only NAME       only the case of this name, or those whose name holds it
  --rounds N        as many rounds (5)
  --profile FOLDER  writes a CPU profile of Backstay there; figures with it say nothing`;

const PLAN = { rounds: 5, warmMs: 1_500, sliceMs: 1_500 };
const QUICK = { rounds: 2, warmMs: 300, sliceMs: 400 };

const flags = readFlags();
if (flags.help) console.log(USAGE);
else await main().catch(explain);

function readFlags() {
  try {
    return parseArgs({
      options: {
        json: { type: "string" },
        quick: { type: "boolean" },
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        profile: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    explain(error);
    return { help: true };
  }
}

/** Fires at the first signal that asks us to end; a terminal and our parent may both send one. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const end = () => controller.abort(new Error("interrupted"));
  process.on("SIGINT", end).on("SIGTERM", end);
  return controller.signal;
}

function explain(error: unknown): void {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode ||= 1;
}

async function main(): Promise<void> {
  const interrupted = interruption();
  const loadBefore = loadavg()[0]!;
  const tell = (text: string) => console.error(`bench: ${text}`);
  const plan = { ...(flags.quick ? QUICK : PLAN), ...(flags.rounds && { rounds: Number(flags.rounds) }) };
  if (flags.profile) mkdirSync(flags.profile, { recursive: true });

  tell("starting the servers");
  const subjects = await startSubjects({ profileDir: flags.profile && resolve(flags.profile) });
  const load = startLoad();
  try {
    // Without its load a measurement fails, and the way out stops the servers.
    interrupted.addEventListener("abort", () => load.stop());
    interrupted.throwIfAborted();
    const cases = chosen(allCases(subjects), flags.only ?? []);
    const results = await measure(load, cases, plan, subjects.betweenRounds, tell);
    const { subject: ping } = allCases(subjects)[0]!;
    const { p50, p99 } = await load.run({ ...ping, inFlight: 1 }, plan.sliceMs);
    const mib = (pid: number) => Math.round(residentMiB(pid));
    const report: Report = {
      date: new Date().toISOString(),
      machine: {
        cpu: cpus()[0]!.model,
        cores: cpus().length,
        memoryGiB: Math.round(totalmem() / 2 ** 30),
        kernel: release(),
        loadBefore,
        loadAfter: loadavg()[0]!,
      },
      node: process.versions.node,
      database: `embedded PostgreSQL ${subjects.database.version}`,
      plan,
      cases: results,
      routing: measureRouting(plan),
      idlePing: { p50, p99 },
      memory: {
        backstayIdleMiB: Math.round(subjects.idle.backstayMiB),
        databaseIdleMiB: Math.round(subjects.idle.databaseMiB),
        backstayLoadedMiB: mib(subjects.backstay.pid),
        echoLoadedMiB: mib(subjects.echo.pid),
        grpcJsLoadedMiB: mib(subjects.grpcJs.pid),
      },
      start: { coldMs: Math.round(subjects.start.coldMs), warmMs: Math.round(subjects.start.warmMs) },
    };
    const json = JSON.stringify(report, null, 2);
    if (flags.json) writeFileSync(flags.json, `${json}\n`);
    console.error(`\n${table(report)}\n`);
    console.log(json);
  } finally {
    load.stop();
    await subjects.stop();
  }
}

/** The cases of these names; a part of a name will do when no case has just that name. */
function chosen(cases: Case[], names: string[]): Case[] {
  const found = names.flatMap((part) => {
    const exact = cases.filter(({ name }) => name === part);
    const near = exact.length > 0 ? exact : cases.filter(({ name }) => name.includes(part));
    if (near.length === 0) throw new Error(`no case is named ${part}: ${cases.map(({ name }) => name).join("; ")}`);
    return near;
  });
  return names.length === 0 ? cases : [...new Set(found)];
}
