import { isMainThread } from "node:worker_threads";
import { uuidV7Ids } from "../kernel/ids.js";
import type { DeclaredJobs } from "../kernel/jobs.js";
import { type PostgresOptions, postgresDatabase } from "../platform/db/postgres.js";
import { insideRunner } from "../platform/jobs/inside-runner.js";
import { takeDuty } from "../platform/jobs/isolated/duty.js";
import { endWithParent } from "../platform/jobs/isolated/guard.js";
import { openServerLine } from "../platform/jobs/isolated/server-line.js";
import { createSubmit } from "../platform/jobs/submit.js";
import type { Control } from "./control.js";
import { controlBy } from "./job-calls.js";
import { submitting } from "./submitting.js";

/** What the server tells a job worker, which reads no configuration of its own: plain data. */
export interface JobBrief {
  /** The file that declares the app's jobs. */
  readonly appFile: string;
  readonly database: PostgresOptions;
}

/** What the process, or thread, of a job worker is made with. */
export interface JobProcessParts {
  /** Runs the app's file up to its start. */
  load(appFile: string): Promise<{
    readonly jobs: DeclaredJobs;
    /** Hands the app what it may ask of the server. */
    attach(control: Control): void;
  }>;
  /** Ends this process: the server is gone. */
  end(): void;
}

/** Runs the app's jobs for the server that started this process or thread, one at a time. Rejects when it cannot begin. */
export async function runJobProcess({ load, end }: JobProcessParts): Promise<void> {
  const line = openServerLine(end);
  if (isMainThread) endWithParent();
  const duty = takeDuty(line);
  const brief = (await duty.brief) as JobBrief;
  const database = postgresDatabase(brief.database);
  await database.start();
  const { jobs, attach } = await load(brief.appFile);
  // What is offered may be lost: every node also looks by itself.
  const offer = (due: unknown) => void duty.call("offer", due).catch(() => {});
  const submit = createSubmit({ database, declared: jobs, ids: uuidV7Ids(), offer });
  attach(controlBy(duty.call, submitting(database, submit)));
  const runner = insideRunner({ declared: jobs, transactions: database, size: 1, submit });
  duty.serve(runner.run);
}
