import { FinalError } from "../../kernel/final-error.js";
import type { JobContext, JobDeclaration } from "../../kernel/jobs.js";
import type { Database } from "../db/db.js";
import type { ClaimedJob } from "../queue/queue.js";
import { jsonText, NotKept } from "./json-text.js";
import type { JobLine, Outcome } from "./runner.js";
import type { Submit } from "./submit.js";
import { type JobTransaction, jobTransaction } from "./transaction.js";
import { storable, wordsOfError } from "./words.js";

export interface AttemptParts {
  declaration: JobDeclaration;
  /** As its worker has it, with the time it may take. */
  job: ClaimedJob;
  line: JobLine;
  /** Where its transaction runs: see jobTransaction. */
  transactions: Database;
  submit: Submit;
}

/** Runs the function of a job once, in this process or thread. Never rejects. */
export async function attemptJob(parts: AttemptParts): Promise<Outcome> {
  const { declaration, job, line } = parts;
  const { signal } = line;
  const transaction = jobTransaction(parts);
  try {
    const checked = await declaration.check(job.args);
    if ("issues" in checked) return { kind: "failed", error: inWords(checked.issues), final: true };
    line.active?.();
    const result = await declaration.run(checked.args, contextOf(job, line, transaction));
    // What it returned because it was told to end is no result.
    signal.throwIfAborted();
    const committed = await transaction.complete(jsonText(result, "What the job returned"));
    if (committed === "none") return { kind: "done", result };
    return committed === "lost" ? { kind: "lost" } : { kind: "committed", woken: committed.woken };
  } catch (error) {
    await transaction.abandon();
    if (signal.aborted) return { kind: "failed", error: reasonOf(signal) };
    const final = error instanceof NotKept || error instanceof FinalError;
    return { kind: "failed", error: wordsOfError(error), final };
  }
}

/** Why an attempt was to end. */
export function reasonOf({ reason }: AbortSignal): string {
  return storable(reason instanceof Error ? reason.message : String(reason));
}

function contextOf(job: ClaimedJob, line: JobLine, transaction: JobTransaction): JobContext {
  const heartbeat = async () => {
    await line.heartbeat();
    transaction.touch();
  };
  return {
    id: job.id,
    name: job.name,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    signal: line.signal,
    db: { run: (text, values) => thenGoOn(line, transaction.run(text, values)) },
    heartbeat: () => thenGoOn(line, heartbeat()),
    progress: line.progress,
    log: line.log,
    submit: (job) => thenGoOn(line, transaction.submit(job)),
  };
}

function thenGoOn<T>(line: JobLine, work: Promise<T>): Promise<T> {
  const told = work.finally(() => line.active?.());
  // A job that does not wait for it ends nothing but its own attempt.
  told.catch(() => {});
  return told;
}

function inWords(issues: readonly { path: string; message: string }[]): string {
  const said = issues.map(({ path, message }) => `${path === "" ? "args" : `args.${path}`}: ${message}`);
  return storable(`The job does not take these arguments. ${said.join("; ")}`);
}
