import type { Ids } from "../../kernel/ids.js";
import type { DeclaredJobs, JobDeclaration } from "../../kernel/jobs.js";
import type { Bus } from "../bus/bus.js";
import type { Database } from "../db/db.js";
import type { Log } from "../log.js";
import type { ClaimedJob, Queue } from "../queue/queue.js";
import { STATE } from "../queue/schema.js";
import { deleteWorker, findHeld, type SettledJob } from "../queue/store.js";
import { createAttempts } from "./attempts.js";
import { claimer } from "./claims.js";
import { jsonText } from "./json-text.js";
import { giveBack, workerLease } from "./lease.js";
import { progressWriter } from "./progress.js";
import { createRoom } from "./room.js";
import type { Outcome, Runner } from "./runner.js";
import { type Settlement, settler } from "./settle.js";
import { timedJobs } from "./timed.js";
import { trouble } from "./trouble.js";
import { wordsOfError } from "./words.js";

export interface JobWorkerParts {
  /** For the worker's own statements; the jobs' have connections of their own. */
  database: Database;
  declared: DeclaredJobs;
  queue: Queue;
  bus: Bus;
  ids: Ids;
  log: Log;
  /** Who runs the server's own jobs, and who the app's; may be one. They run for longer than the worker does. */
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
  /** Rejects when the database is away. */
  start(): Promise<void>;
  /** Takes no more jobs, waits for those that run, ends the others, and gives back what did not end by itself. */
  stop(): Promise<void>;
  running(): readonly { id: string; name: string; attempt: number }[];
}

/** Where it is said that jobs were cancelled. */
const CANCELLED = "jobs.cancelled";
const DRAIN_MS = 7_000;
/** Most milliseconds until the next attempt: more is no time that the database knows. */
const MOST_DELAY_MS = 365 * 24 * 60 * 60 * 1_000;
/** The same when the declaration says what is no number. */
const ODD_DELAY_MS = 60_000;
/** Milliseconds that attempts get to end when the worker stops, and outcomes to be written. */
const MOMENT_MS = 1_000;

export function jobWorker(parts: JobWorkerParts): JobWorker {
  const { database, declared, queue, log, drainMs = DRAIN_MS } = parts;
  const at = { db: database };
  const workerId = parts.ids.next();
  let state: "new" | "working" | "stopping" = "new";
  let leaveBus = () => {};

  const room = createRoom(declared, parts.runners);
  const progress = progressWriter(database, workerId, trouble(log, "how far jobs are could not be written"));
  const timed = timedJobs(database, queue.offer, trouble(log, "jobs could not be made due at their time"));
  const leaving = trouble(log, "jobs could not be given back: others take them when this worker's lease ends");

  const onSettled = (settlement: Settlement, settled: SettledJob | undefined) => {
    const { id, name, attempt, error, delay } = settlement;
    if (settled === undefined) return log.debug({ job: id, name, attempt }, "a job was no longer this worker's");
    if (error === null) return;
    const isDead = settled.state === STATE.dead;
    const [words] = error.split("\n", 1);
    log.warn({ job: id, name, attempt, error: words }, isDead ? "a job failed for good" : "a job failed");
    if (!isDead) timed.expect(delay!);
  };
  const settling = settler({ database, workerId, log, onSettled, offer: queue.offer });

  const onEnded = (job: ClaimedJob, declaration: JobDeclaration, outcome: Outcome) => {
    const { id, name, queue: queueName, fence, attempt, orderKey } = job;
    if (outcome.kind === "lost") return;
    if (outcome.kind === "committed") return queue.offer(outcome.woken);
    const { result, error, final } = outcome.kind === "done" ? resultOf(outcome.result) : { ...outcome, result: null };
    const delay = error === null || final ? null : delayOf(declaration, attempt);
    settling.push({
      id,
      name,
      queue: queueName,
      fence,
      attempt,
      orderKey,
      result,
      error,
      delay,
      progress: progress.take(id, fence),
    });
  };

  const isHeld = async (job: ClaimedJob) => (await findHeld(at, job))[0]?.state === STATE.running;
  const attempts = createAttempts({
    declared,
    room,
    timeout: parts.timeout,
    log,
    progress,
    isHeld,
    onEnded,
    onUnbegun: (job) => void giveBack(database, workerId, [job], queue.offer).catch(leaving.met),
    onRoom: () => state === "working" && queue.freed(),
  });

  const claims = claimer({
    database,
    workerId,
    declared,
    room,
    queues: parts.queues,
    onTaken: attempts.begin,
    trouble: trouble(log, "jobs could not be taken"),
  });

  const lease = workerLease({
    database,
    workerId,
    lease: parts.lease,
    taken: attempts.all,
    knows: (taking) => attempts.has(taking) || settling.has(taking),
    claimsUntilNow: claims.untilNow,
    onLost: attempts.lose,
    offer: queue.offer,
    log,
    trouble: trouble(log, "this worker could not say that it is there"),
  });

  const onCancelled = async (message: unknown) => {
    const ids = new Set((message as { ids?: readonly string[] }).ids);
    for (const job of attempts.all().filter(({ id }) => ids.has(id))) {
      // The notice may be old: since then the job was tried again, and taken.
      if (!(await isHeld(job).catch(() => true))) attempts.lose(job);
    }
  };

  return {
    running: () => attempts.all().map(({ id, name, attempt }) => ({ id, name, attempt })),
    async start() {
      state = "working";
      await lease.start();
      await claims.start();
      leaveBus = parts.bus.subscribe(CANCELLED, (message) => void onCancelled(message));
      timed.start();
      await queue.start({
        free: () => (state === "working" ? room.free() : 0),
        take: async (most, queues) => (state === "working" ? claims.take(most, queues) : 0),
        queues: claims.queues,
      });
    },
    async stop() {
      if (state !== "working") return;
      state = "stopping";
      await queue.stop();
      await timed.stop();
      await attempts.idle(drainMs);
      const unfinished = await attempts.stop(MOMENT_MS);
      if (unfinished.length > 0) await giveBack(database, workerId, unfinished, queue.offer).catch(leaving.met);
      await settling.drain(AbortSignal.timeout(MOMENT_MS));
      await progress.flush();
      await lease.stop();
      leaveBus();
      // Not before: without a lease what it has is lost to others at once.
      await deleteWorker(at, { workerId }).catch(leaving.met);
    },
  };
}

function resultOf(value: unknown): { result: string | null; error: string | null; final: boolean } {
  try {
    return { result: jsonText(value, "What the job returned"), error: null, final: false };
  } catch (error) {
    return { result: null, error: wordsOfError(error), final: true };
  }
}

/** A fifth more or less, so that what failed together is not tried together. */
function delayOf({ backoffMs }: JobDeclaration, attempt: number): number {
  const ms = Math.round(backoffMs(attempt) * (0.8 + Math.random() * 0.4));
  return Number.isNaN(ms) ? ODD_DELAY_MS : Math.min(Math.max(0, ms), MOST_DELAY_MS);
}
