import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { makeAppFolder } from "../acceptance/app-folder.js";
import { cleanUp, makeHome, type Server, startServer } from "../acceptance/server-process.js";
import { type ChaosProxy, chaosProxy } from "../contracts/chaos-proxy.js";
import { call } from "../support/backstay.js";
import { startNats, type TestNats } from "../support/nats.js";
import { startPostgres18 } from "../support/postgres.js";
import type { History } from "./history.js";

/** What the jobs of a run are, and around what they run. */
export interface JobHousePlan {
  readonly queue: "postgres" | "nats";
  /** Servers that run jobs and are there to be killed. */
  readonly nodes: number;
  /** Their settings besides the usual ones, as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** The app: `LINES` in it stands for the folder where attempts write their lines. */
  readonly app: string;
}

/** An attempt that has begun, as its own line says: written before anything else, so that a killed one is known too. */
export interface Attempt {
  readonly id: string;
  readonly attempt: number;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Servers that run jobs, one that takes submissions, their PostgreSQL, and NATS behind a proxy that fails. */
export interface JobHouse {
  readonly sql: postgres.Sql;
  readonly nats: { server: TestNats; proxy: ChaosProxy } | undefined;
  /** The servers that run now; undefined where one is dead. */
  readonly nodes: (Server | undefined)[];
  /** Submits to the server that is never killed. */
  submit(jobs: object[]): Promise<void>;
  startNode(which: number): Promise<void>;
  /** Kills one as a crash does; answers its process number and when it was killed. */
  killNode(which: number): Promise<{ pid: number; at: number }>;
  attempts(): Attempt[];
  stop(): Promise<void>;
}

/** What an app writes as the first thing of an attempt: one line, by one call of the system. */
export const NOTE_ATTEMPT = `
import { appendFileSync } from "node:fs";
const note = (ctx) => appendFileSync(LINES + "/" + process.pid + ".jsonl",
  JSON.stringify({ id: ctx.id, attempt: ctx.attempt, pid: process.pid, at: Date.now() }) + "\\n");
`;

/** The lease of a plan, as its servers' setting. */
export function leaseOf({ lease }: { readonly lease?: string }): Record<string, string> {
  return lease === undefined ? {} : { BACKSTAY_JOBS_LEASE: lease };
}

export async function openJobHouse(plan: JobHousePlan, notes: History): Promise<JobHouse> {
  const server = await startPostgres18();
  const data = await server.createDatabase();
  const nats = plan.queue === "nats" ? await natsBehindProxy() : undefined;
  const lines = join(await makeHome(), "lines");
  mkdirSync(lines);
  const folder = await makeAppFolder({ "app.ts": plan.app.replaceAll("LINES", JSON.stringify(lines)) });
  const env = {
    DATABASE_URL: data.url,
    ...(nats && { NATS_URL: nats.proxy.through(nats.server.url) }),
    BACKSTAY_SECRET: randomBytes(32).toString("hex"),
    BACKSTAY_LIMITS_RATE: "off",
    BACKSTAY_LOG_LEVEL: "warn",
    ...plan.env,
  };
  const start = (home: string, roles: string) =>
    startServer(["serve", "--port", "0", "--home", home, "--roles", roles], {
      env,
      cwd: folder,
      lifetimeMs: 1_800_000,
    });
  const frontHome = await makeHome();
  const front = await start(frontHome, "api,relay");
  const token = readFileSync(join(frontHome, "etc", "admin.token"), "utf8").trim();
  const sql = postgres(data.url, { max: 2, onnotice: () => {} });
  await sql`create schema if not exists app`;
  await sql`create table app.effects (job_id text not null, n int not null, attempt int not null)`;
  const homes = await Promise.all(Array.from({ length: plan.nodes }, makeHome));
  const nodes: (Server | undefined)[] = homes.map(() => undefined);
  const startNode = async (which: number) => {
    nodes[which] = await start(homes[which]!, "relay,jobs,cron");
    notes.note("node is ready", { which, pid: nodes[which]!.pid });
  };
  await Promise.all(homes.map((_, which) => startNode(which)));

  let batch = 0;
  return {
    sql,
    nats,
    nodes,
    startNode,
    async submit(jobs) {
      const headers = { authorization: `Bearer ${token}`, "idempotency-key": `batch-${batch++}` };
      for (;;) {
        const { status, json } = await call(front.url, "jobs.v1.JobService/SubmitJobs", { jobs }, headers);
        if (status === 200) return;
        if (status < 500) throw new Error(`not submitted: ${JSON.stringify(json)}`);
      }
    },
    async killNode(which) {
      const node = nodes[which]!;
      nodes[which] = undefined;
      const at = Date.now();
      await node.kill9();
      notes.note("kill -9", { which, pid: node.pid });
      return { pid: node.pid, at };
    },
    attempts: () =>
      readdirSync(lines).flatMap((name) =>
        readFileSync(join(lines, name), "utf8")
          .split("\n")
          .filter((line) => line.endsWith("}"))
          .map((line) => JSON.parse(line) as Attempt),
      ),
    async stop() {
      await sql.end();
      for (const node of [...nodes, front]) await node?.kill9();
      await nats?.proxy.stop();
      await nats?.server.stop();
      await cleanUp();
      await server.stop();
    },
  };
}

async function natsBehindProxy() {
  const server = await startNats();
  return { server, proxy: await chaosProxy(server.url) };
}
