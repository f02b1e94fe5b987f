import { fileURLToPath } from "node:url";
import type { Config } from "../config.js";
import type { PostgresOptions } from "../platform/db/postgres.js";
import { isolatedRunner } from "../platform/jobs/isolated/pool.js";
import type { Runner } from "../platform/jobs/runner.js";
import type { SubmitParts } from "../platform/jobs/submit.js";
import type { Log } from "../platform/log.js";
import type { Control } from "./control.js";
import { answerCalls } from "./job-calls.js";
import type { JobBrief } from "./job-process.js";

export interface JobWorkersParts extends Pick<SubmitParts, "offer"> {
  /** The file that declares the app's jobs. */
  readonly appFile: string;
  readonly target: PostgresOptions["target"];
  readonly control: Control;
  readonly log: Log;
}

/** Connections for single statements of a job, all opened when they are needed; half as many more serve transactions. */
const POOL_SIZE = 4;

/** Runs the app's jobs in as many processes or threads as the configuration says. */
export function jobWorkers(config: Config, { appFile, target, control, offer, log }: JobWorkersParts): Runner {
  const database: PostgresOptions = {
    target,
    poolSize: POOL_SIZE,
    statementTimeout: config["database.statement_timeout"],
    lockTimeout: config["database.lock_timeout"],
    acquireTimeout: config["database.acquire_timeout"],
  };
  return isolatedRunner({
    kind: config["jobs.isolation"],
    count: config["jobs.workers"],
    memoryMb: config["jobs.memory_mb"],
    entry: fileURLToPath(new URL("../cli/job-worker.mjs", import.meta.url)),
    brief: { appFile, database } satisfies JobBrief,
    answer: answerCalls({ ...control, offer }),
    log,
  });
}
