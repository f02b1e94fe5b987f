import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kernel/errors.js";
import type { DeclaredJobs, JobDeclaration } from "../../kernel/jobs.js";
import { describeError, type Log } from "../log.js";
import type { ClaimedJob } from "../queue/queue.js";
import { reasonOf } from "./attempt.js";
import { jsonText } from "./json-text.js";
import { keyOf, type Taking } from "./lease.js";
import type { ProgressWriter } from "./progress.js";
import type { Room } from "./room.js";
import type { JobLine, Outcome } from "./runner.js";
import { wordsOfError } from "./words.js";

/** Milliseconds an attempt gets to end when it was told to: after that it is left to itself, and its outcome is written. */
const GRACE_MS = 3_000;
/** Milliseconds that a job waits for a place to run: it is given to others then. */
const BEGIN_WITHIN_MS = 60_000;

export interface AttemptsParts {
  declared: DeclaredJobs;
  room: Room;
  /** Milliseconds an attempt may take that neither its job nor its declaration gives another time. */
  timeout: number;
  /** Milliseconds that a job waits for a place to run; absent is a minute. */
  beginWithin?: number;
  log: Log;
  progress: ProgressWriter;
  /** Whether a taking still counts. Rejects when the database is away. */
  isHeld(job: ClaimedJob): Promise<boolean>;
  /** Told what an attempt came to that counts. */
  onEnded(job: ClaimedJob, declaration: JobDeclaration, outcome: Outcome): void;
  /** Told of a job that had no place to run, and is as if it had never been taken. */
  onUnbegun(job: ClaimedJob): void;
  /** Told that there is room again. */
  onRoom(): void;
}

/** What runs in this worker. */
export interface Attempts {
  begin(job: ClaimedJob): void;
  all(): readonly ClaimedJob[];
  has(taking: Taking): boolean;
  /** Ends an attempt that does not count any more. */
  lose(taking: Taking): void;
  /** Resolves when nothing runs, or after so many milliseconds. */
  idle(ms: number): Promise<void>;
  /** Ends everything, and answers after so many milliseconds at most what did not come to an end of its own. */
  stop(ms: number): Promise<readonly ClaimedJob[]>;
}

interface Attempt {
  readonly job: ClaimedJob;
  readonly declaration: JobDeclaration;
  readonly timeoutMs: number;
  readonly end: AbortController;
  timer: NodeJS.Timeout | undefined;
  /** Why a failure of it does not count, or nothing at all does. */
  fate: "stopped" | "unbegun" | "lost" | undefined;
}

export function createAttempts(parts: AttemptsParts): Attempts {
  const { declared, room, timeout, beginWithin = BEGIN_WITHIN_MS, log, progress, isHeld, onEnded, onRoom } = parts;
  const attempts = new Map<string, Attempt>();
  const stopped: ClaimedJob[] = [];
  let onIdle = () => {};

  const isCurrent = (attempt: Attempt) => attempts.get(keyOf(attempt.job)) === attempt;

  const finish = (attempt: Attempt, outcome: Outcome) => {
    const { job, declaration, fate } = attempt;
    if (!isCurrent(attempt)) return;
    clearTimeout(attempt.timer);
    if (fate === "stopped" && outcome.kind === "failed") stopped.push(job);
    else if (fate === "unbegun" && outcome.kind === "failed") parts.onUnbegun(job);
    else if (fate !== "lost") onEnded(job, declaration, outcome);
    attempts.delete(keyOf(job));
    room.leave(job.name);
    onRoom();
    if (attempts.size === 0) onIdle();
  };

  const end = (attempt: Attempt, reason: Error) => {
    if (attempt.end.signal.aborted) return;
    clearTimeout(attempt.timer);
    attempt.timer = setTimeout(() => leave(attempt), GRACE_MS).unref();
    attempt.end.abort(reason);
  };

  /** Leaves an attempt to itself that was told to end and did not. */
  const leave = (attempt: Attempt) => {
    const { job, end } = attempt;
    log.warn({ job: job.id, name: job.name }, "a job was told to end and goes on");
    finish(attempt, { kind: "failed", error: `${reasonOf(end.signal)}; it was told to end and goes on` });
  };

  const waitForPlace = (attempt: Attempt) => {
    attempt.timer = setTimeout(() => {
      log.warn({ job: attempt.job.id, name: attempt.job.name }, "a job had no place to run in time and is given back");
      attempt.fate ??= "unbegun";
      end(attempt, new Error(`the attempt did not begin within ${beginWithin} ms`));
    }, beginWithin);
  };

  const beginTime = (attempt: Attempt) => {
    const { timeoutMs } = attempt;
    clearTimeout(attempt.timer);
    attempt.timer = setTimeout(() => {
      end(attempt, new Error(`the attempt took longer than ${timeoutMs} ms`));
    }, timeoutMs);
  };

  const lineOf = (attempt: Attempt): JobLine => {
    const { job, end } = attempt;
    return {
      signal: end.signal,
      began() {
        // Too late: it is told to end already, and what it did by then was an attempt.
        if (attempt.fate === "unbegun") attempt.fate = undefined;
        if (isCurrent(attempt) && !end.signal.aborted) beginTime(attempt);
      },
      async heartbeat() {
        if (!(await isHeld(job))) lose(job);
        end.signal.throwIfAborted();
        if (!isCurrent(attempt)) throw new DomainError("JOB_LOST");
        beginTime(attempt);
      },
      progress(value) {
        progress.say(job.id, job.fence, jsonText(value, "The job's progress") ?? "null");
      },
      log: (message, facts) => log.info({ ...facts, job: job.id, name: job.name }, message),
    };
  };

  const lose = (taking: Taking) => {
    const attempt = attempts.get(keyOf(taking));
    if (attempt === undefined) return;
    attempt.fate = "lost";
    end(attempt, new DomainError("JOB_LOST"));
  };

  const idle = async (ms: number) => {
    if (attempts.size === 0) return;
    const over = new AbortController();
    const isIdle = new Promise<void>((resolve) => {
      onIdle = resolve;
    });
    await Promise.race([isIdle, sleep(ms, undefined, { signal: over.signal }).catch(() => {})]);
    over.abort();
  };

  return {
    begin(claimed) {
      const declaration = declared.find(claimed.name)!;
      const timeoutMs = claimed.timeoutMs ?? declaration.timeoutMs ?? timeout;
      const job = Object.assign(claimed, { timeoutMs });
      const end = new AbortController();
      const attempt: Attempt = { job, declaration, timeoutMs, end, timer: undefined, fate: undefined };
      attempts.set(keyOf(job), attempt);
      room.enter(job.name);
      waitForPlace(attempt);
      const running = room.runnerOf(declaration).run(job, lineOf(attempt));
      running
        .then((outcome) => finish(attempt, outcome))
        .catch((error) => {
          log.error({ job: job.id, name: job.name, ...describeError(error) }, "what became of a job is not known");
          finish(attempt, { kind: "failed", error: wordsOfError(error), final: true });
        });
    },
    all: () => Array.from(attempts.values(), ({ job }) => job),
    has: (taking) => attempts.has(keyOf(taking)),
    lose,
    idle,
    async stop(ms) {
      for (const attempt of attempts.values()) {
        // What fails because it was told to end is not the job's fault.
        if (attempt.fate !== "lost") attempt.fate = "stopped";
        end(attempt, new Error("the server stops"));
      }
      await idle(ms);
      for (const attempt of attempts.values()) {
        if (attempt.fate === "stopped") stopped.push(attempt.job);
        attempt.fate = "lost";
      }
      return stopped;
    },
  };
}
