import { existsSync, readFileSync } from "node:fs";
import { type Config, ConfigError } from "../config.js";
import type { Ports } from "../context.js";
import { createWebhookPump } from "../domains/webhooks/index.js";
import type { DeclaredJobs } from "../kernel/jobs.js";
import { OWN_QUEUE } from "../kernel/tidying.js";
import { readCrontab } from "../platform/cron/crontab.js";
import { cronScheduler } from "../platform/cron/scheduler.js";
import { type PostgresOptions, postgresDatabase } from "../platform/db/postgres.js";
import type { Home } from "../platform/home.js";
import { insideRunner } from "../platform/jobs/inside-runner.js";
import type { Runner } from "../platform/jobs/runner.js";
import { watchdog } from "../platform/jobs/watchdog/watchdog.js";
import { watched } from "../platform/jobs/watchdog/watched.js";
import { jobWorker } from "../platform/jobs/worker.js";
import type { Queue } from "../platform/queue/queue.js";
import type { Control } from "./control.js";
import { jobWorkers } from "./job-workers.js";

export interface BackgroundParts {
  ports: Ports;
  queue: Queue;
  control: Control;
  target: PostgresOptions["target"];
  /** The app's file, when there is one: job workers run it too. */
  appFile: string | undefined;
  /** Which of several processes that serve together this is, from 1 on; undefined when it is the only one. */
  worker: number | undefined;
}

/** What a process does besides answering calls: jobs, what they are started by, and nothing where its roles do not say so. */
export interface Background {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What waits until the app's code has the server. */
export interface Beginner {
  /** Takes the first jobs. */
  begin(): Promise<void>;
}

/** Of the server's own jobs so many run at once, besides those of the app. */
const INSIDE_SIZE = 12;
const NO_FILE = "jobs.workers is set and no file declares the app's jobs: they are not run here";
/** Jobs wait for a connection rather than fail. */
const JOB_ACQUIRE_MS = 30_000;

export function background(config: Config, parts: BackgroundParts): Background & Beginner {
  const running: Background[] = [];
  let starting: Promise<void> = Promise.resolve();
  let stopped = false;
  const start = async (part: Background) => {
    if (stopped) return;
    running.push(part);
    await part.start();
  };
  // What stops while something is being started waits for that, so that nothing goes on by itself afterwards.
  const inTurn = (work: () => Promise<void>) => {
    starting = starting.then(work);
    return starting;
  };
  const { isolated, worker } = config.roles.has("jobs") ? jobs(config, parts) : {};
  return {
    start: () =>
      inTurn(async () => {
        if (isolated !== undefined) {
          await start(createWebhookPump(parts.ports));
          await start(isolated);
        }
        if (config.roles.has("cron")) await start(cron(parts));
      }),
    begin: () =>
      inTurn(async () => {
        if (worker !== undefined) await start(worker);
      }),
    async stop() {
      stopped = true;
      await starting.catch(() => {});
      // Jobs end before what runs them.
      await Promise.all(running.filter((part) => part !== isolated).map((part) => part.stop()));
      await isolated?.stop();
    },
  };
}

function cron({ ports, queue }: BackgroundParts): Background {
  const { database, ids, bus, log } = ports;
  return cronScheduler({ database, declared: ports.jobs.declared, ids, bus, log, offer: queue.offer });
}

/** The worker, which takes jobs, and what runs them, which may need a while to be ready. */
function jobs(config: Config, parts: BackgroundParts): { worker: Background; isolated: Background } {
  const { ports, queue } = parts;
  const { database, bus, ids, log } = ports;
  const { declared, submit } = ports.jobs;
  const dog = watchdog({ limitMs: config["jobs.stall_limit"], facts: factsOf(parts) });
  const transactions = transactionsOf(config, parts.target);
  const inside = (size: number) => watched(insideRunner({ declared, transactions, size, submit }), dog);
  const app = appRunner(config, parts, inside);
  const worker = jobWorker({
    database,
    declared,
    queue,
    bus,
    ids,
    log,
    runners: { inside: inside(INSIDE_SIZE), app },
    queues: queuesOf(config),
    lease: config["jobs.lease"],
    timeout: config["jobs.timeout"],
  });
  return {
    worker,
    isolated: {
      async start() {
        dog.start();
        await transactions.start();
        await app.start();
      },
      async stop() {
        await app.stop();
        await transactions.stop();
        await dog.stop();
      },
    },
  };
}

/** What the server does for itself is done by whoever runs jobs at all. */
function queuesOf(config: Config): "*" | readonly string[] {
  const named = config["jobs.queues"];
  return named === "*" ? "*" : [...named.split(","), OWN_QUEUE];
}

function factsOf({ worker }: BackgroundParts): object {
  return worker === undefined ? {} : { worker };
}

/** Of several processes that serve together the first has the job workers, so that there are as many as the setting says. */
function appRunner(config: Config, parts: BackgroundParts, inside: (size: number) => Runner): Runner {
  if (config["jobs.workers"] === 0) return inside(config["jobs.concurrency"]);
  const { appFile, target, control, queue, ports, worker = 1 } = parts;
  if (worker !== 1) return inside(0);
  if (appFile === undefined) {
    if (ports.jobs.declared.all().some((job) => !job.inside)) ports.log.warn({}, NO_FILE);
    return inside(0);
  }
  return jobWorkers(config, { appFile, target, control, offer: queue.offer, log: ports.log });
}

/** Connections of their own, so that long jobs take none from calls; opened when they are needed. */
function transactionsOf(config: Config, target: PostgresOptions["target"]) {
  const most = config["database.pool_size"] * 2;
  return postgresDatabase({
    target,
    poolSize: 2 * (Math.min(config["jobs.concurrency"], most) + INSIDE_SIZE),
    statementTimeout: config["database.statement_timeout"],
    lockTimeout: config["database.lock_timeout"],
    acquireTimeout: JOB_ACQUIRE_MS,
  });
}

/** Declares what the file etc/crontab of the home says. Throws a ConfigError that names the file and the entry. */
export function declareCrontab(home: Home, declared: DeclaredJobs): void {
  const path = home.crontab();
  if (!existsSync(path)) return;
  try {
    for (const cron of readCrontab(path, readFileSync(path, "utf8"), declared)) declared.declareCron(cron);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}
