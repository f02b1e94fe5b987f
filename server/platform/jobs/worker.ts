import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kernel/errors.js";
import type { Ids } from "../../kernel/ids.js";
import type { DeclaredJobs, JobDeclaration } from "../../kernel/jobs.js";
import type { Bus } from "../bus/bus.js";
import type { Database } from "../db/db.js";
import type { Log } from "../log.js";
import type { ClaimedJob, Queue } from "../queue/queue.js";
import { STATE } from "../queue/schema.js";
import { deleteWorker, findDueOfKeys, findHeld, type SettledJob } from "../queue/store.js";
import { reasonOf } from "./attempt.js";
import { claimer } from "./claims.js";
import { jsonText } from "./json-text.js";
import { giveBack, keyOf, workerLease } from "./lease.js";
import { progressWriter } from "./progress.js";
import { createRoom } from "./room.js";
import type { JobLine, Outcome, Runner } from "./runner.js";
import { type Settlement, settler } from "./settle.js";
import { timedJobs } from "./timed.js";
import { trouble } from "./trouble.js";
import { wordsOfError } from "./words.js";

export interface JobWorkerParts {
  /** For the worker's own statements; the jobs' have a pool of their own. */
  database: Database;
  declared: DeclaredJobs;
  queue: Queue;
  bus: Bus;
  ids: Ids;
  log: Log;
  /** Who runs the server's own jobs, and who the app's; may be one. */
  runners: { inside: Runner; app: Runner };
  /** The queues it takes jobs of. */
  queues: "*" | readonly string[];
  /** Milliseconds until the jobs of a worker that says nothing are given to others. */
  lease: number;
  /** Milliseconds an attempt may take that neither its job nor its declaration gives another time. */
  timeout: number;
  /** Milliseconds that running jobs get to end by themselves when the worker stops. */
  drainMs?: number;
}

/** Works jobs off. */
export interface JobWorker {
  start(): Promise<void>;
  /** Takes no more jobs, waits for those that run, ends them, and gives back those that do not end. */
  stop(): Promise<void>;
  running(): readonly { id: string; name: string; attempt: number }[];
}

/** An attempt that runs. */
interface Attempt {
  readonly job: ClaimedJob;
  readonly declaration: JobDeclaration;
  readonly timeoutMs: number;
  readonly end: AbortController;
  timer: NodeJS.Timeout | undefined;
  /** Why what it comes to does not count any more. */
  fate?: "lost" | "stopped";
}

/** Where it is said that jobs were cancelled. */
const CANCELLED = "jobs.cancelled";
const DRAIN_MS = 7_000;
/** Milliseconds an attempt gets to end when it was told to: after that it is left to itself, and its outcome is written. */
const GRACE_MS = 3_000;
/** The same when the worker stops. */
const MOMENT_MS = 1_000;

export function jobWorker(parts: JobWorkerParts): JobWorker {
  const { database, declared, queue, bus, log, runners, timeout, drainMs = DRAIN_MS } = parts;
  const at = { db: database };
  const workerId = parts.ids.next();
  const attempts = new Map<string, Attempt>();
  /** What was ended because the worker stops. */
  const stopped: ClaimedJob[] = [];
  let started = false;
  let stopping = false;
  let onIdle = () => {};
  let leaveBus = () => {};

  const room = createRoom(declared, runners);
  const leaving = trouble(log, "jobs could not be given back: others will take them when this worker's lease ends");
  const progress = progressWriter(database, workerId, trouble(log, "how far jobs are could not be written"));
  const timed = timedJobs(database, queue.offer, trouble(log, "jobs could not be made due at their time"));

  const onSettled = (settlement: Settlement, settled: SettledJob | undefined) => {
    if (settled?.state === STATE.retrying && !settled.due) timed.expect(settlement.delay!);
    if (settlement.error === null || settled === undefined) return;
    const isDead = settled.state === STATE.dead;
    const facts = { job: settlement.id, name: settlement.name, attempt: settlement.attempt, error: settlement.error };
    log.warn(facts, isDead ? "a job failed and is given up" : "a job failed and will be tried again");
  };
  const settling = settler({ database, workerId, log, onSettled, offer: queue.offer });

  const claims = claimer({
    database,
    workerId,
    room,
    queues: parts.queues,
    onTaken: (job) => begin(job),
    trouble: trouble(log, "jobs could not be taken"),
  });

  const lease = workerLease({
    database,
    workerId,
    lease: parts.lease,
    taken: () => [...attempts.values()].map(({ job }) => job),
    knows: (taking) => attempts.has(keyOf(taking)) || settling.has(taking.id, taking.fence),
    claimsUntilNow: claims.untilNow,
    onLost: (lost) => {
      for (const taking of lost) lose(taking);
    },
    offer: queue.offer,
    log,
    trouble: trouble(log, "this worker could not say that it is there"),
  });

  const end = (attempt: Attempt, reason: string) => attempt.end.abort(new Error(reason));

  const lose = (taking: { id: string; fence: number }) => {
    const attempt = attempts.get(keyOf(taking));
    if (attempt === undefined) return;
    attempt.fate = "lost";
    attempt.end.abort(new DomainError("JOB_LOST"));
  };

  const isHeld = async ({ job }: Attempt) => (await findHeld(at, job))[0]?.state === STATE.running;

  const beginTime = (attempt: Attempt) => {
    clearTimeout(attempt.timer);
    const { timeoutMs } = attempt;
    attempt.timer = setTimeout(() => end(attempt, `the attempt took longer than ${timeoutMs} ms`), timeoutMs);
  };

  const lineOf = (attempt: Attempt): JobLine => {
    const { job } = attempt;
    return {
      signal: attempt.end.signal,
      async heartbeat() {
        if (!(await isHeld(attempt))) lose(job);
        attempt.end.signal.throwIfAborted();
        beginTime(attempt);
      },
      progress(value) {
        progress.say(job.id, job.fence, jsonText(value, "The job's progress") ?? "null");
      },
      log: (message, facts) => log.info({ ...facts, job: job.id, name: job.name }, message),
    };
  };

  const begin = (claimed: ClaimedJob) => {
    const declaration = declared.find(claimed.name)!;
    const timeoutMs = claimed.timeoutMs ?? declaration.timeoutMs ?? timeout;
    const job = { ...claimed, timeoutMs };
    const attempt: Attempt = { job, declaration, timeoutMs, end: new AbortController(), timer: undefined };
    attempts.set(keyOf(job), attempt);
    room.enter(job.name);
    beginTime(attempt);
    void room
      .runnerOf(declaration)
      .run(job, lineOf(attempt))
      .then((outcome) => finish(attempt, outcome));
    attempt.end.signal.addEventListener("abort", () => {
      const grace = setTimeout(() => abandon(attempt), GRACE_MS);
      grace.unref();
    });
  };

  /** Leaves an attempt to itself that was told to end and did not. */
  const abandon = (attempt: Attempt) => {
    if (attempts.get(keyOf(attempt.job)) !== attempt) return;
    log.warn({ job: attempt.job.id, name: attempt.job.name }, "a job was told to end and goes on");
    finish(attempt, { kind: "failed", error: `${reasonOf(attempt.end.signal)}; it was told to end and goes on` });
  };

  const finish = (attempt: Attempt, outcome: Outcome) => {
    const { job } = attempt;
    if (attempts.get(keyOf(job)) !== attempt) return;
    clearTimeout(attempt.timer);
    attempts.delete(keyOf(job));
    room.leave(job.name);
    // What failed because it was told to end is not the job's fault.
    if (attempt.fate === "stopped" && outcome.kind === "failed") stopped.push(job);
    else if (attempt.fate !== "lost") keep(attempt, outcome);
    if (!stopping) queue.freed();
    else if (attempts.size === 0) onIdle();
  };

  const keep = ({ job, declaration }: Attempt, outcome: Outcome) => {
    const { id, name, fence, attempt, orderKey } = job;
    if (outcome.kind === "lost") return;
    if (outcome.kind === "committed") {
      if (orderKey !== null) void findDueOfKeys(at, { orderKeys: [orderKey] }).then(queue.offer, () => {});
      return;
    }
    const ended = outcome.kind === "done" ? resultOf(outcome.result) : outcome;
    const failed = "error" in ended;
    settling.push({
      id,
      name,
      fence,
      attempt,
      orderKey,
      result: failed ? null : ended.result,
      error: failed ? ended.error : null,
      delay: failed && !ended.final ? delayOf(declaration, attempt) : null,
      progress: progress.take(id, fence),
    });
  };

  const onCancelled = async (message: unknown) => {
    const ids = new Set((message as { ids?: string[] }).ids);
    for (const attempt of attempts.values()) {
      // The notice may be old: the job was cancelled, submitted anew and taken again.
      if (ids.has(attempt.job.id) && !(await isHeld(attempt).catch(() => true))) lose(attempt.job);
    }
  };

  const idle = async (ms: number) => {
    if (attempts.size === 0) return;
    const timer = new AbortController();
    const isIdle = new Promise<void>((resolve) => {
      onIdle = resolve;
    });
    await Promise.race([isIdle, sleep(ms, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  };

  /** Ends what runs, and gives back what did not come to its end by itself. */
  const clear = async () => {
    await idle(drainMs);
    for (const attempt of attempts.values()) {
      attempt.fate ??= "stopped";
      end(attempt, "the server stops");
    }
    await idle(MOMENT_MS);
    for (const attempt of attempts.values()) {
      if (attempt.fate === "stopped") stopped.push(attempt.job);
      attempt.fate = "lost";
    }
    if (stopped.length > 0) await giveBack(database, workerId, stopped, queue.offer);
  };

  return {
    running: () => [...attempts.values()].map(({ job: { id, name, attempt } }) => ({ id, name, attempt })),
    async start() {
      started = true;
      for (const runner of room.runners) await runner.start();
      await lease.start();
      await claims.start();
      leaveBus = bus.subscribe(CANCELLED, (message) => void onCancelled(message));
      timed.start();
      await queue.start({
        free: () => (stopping ? 0 : room.free()),
        take: (most, queues) => (stopping ? Promise.resolve(0) : claims.take(most, queues)),
        queues: claims.queues,
      });
    },
    async stop() {
      if (!started || stopping) return;
      stopping = true;
      await queue.stop();
      await timed.stop();
      await clear().catch(leaving.met);
      await settling.drain(AbortSignal.timeout(MOMENT_MS));
      await progress.flush();
      await lease.stop();
      leaveBus();
      // Until then what it has is not anybody's to rescue.
      await deleteWorker(at, { workerId }).catch(leaving.met);
      for (const runner of room.runners) await runner.stop();
    },
  };
}

function resultOf(result: unknown): { result: string | null } | { error: string; final: true } {
  try {
    return { result: jsonText(result, "What the job returned") };
  } catch (error) {
    return { error: wordsOfError(error), final: true };
  }
}

/** A fifth more or less, so that what failed together is not tried together. */
function delayOf(declaration: JobDeclaration, attempt: number): number {
  return Math.max(0, Math.round(declaration.backoffMs(attempt) * (0.8 + Math.random() * 0.4)));
}
