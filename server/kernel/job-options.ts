import { milliseconds } from "./duration.js";
import type { ArgsIssue, CronDeclaration, JobDeclaration, JsonObject, MissedTicks, NewJob, RunJob } from "./jobs.js";

/** What checks a value: anything that keeps to Standard Schema, such as a schema of zod, valibot or arktype. */
export interface ArgsSchema {
  readonly "~standard": {
    validate(value: unknown): SchemaResult | Promise<SchemaResult>;
  };
}

type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] };

/** How a job behaves, as an app writes it. Durations in milliseconds, or as text such as `30s`. */
export interface JobOptions {
  readonly queue?: string;
  readonly maxAttempts?: number;
  readonly timeout?: number | string;
  readonly concurrency?: number;
  readonly backoff?:
    | { readonly least?: number | string; readonly most?: number | string }
    | ((attempt: number) => number);
  readonly args?: ArgsSchema;
}

const OPTIONS = ["queue", "maxAttempts", "timeout", "concurrency", "backoff", "args"];
/** What the names of the server's own jobs begin with. */
export const OWN_JOBS = "backstay.";
const MAX_ATTEMPTS = 10;
const LEAST_BACKOFF = 1_000;
const MOST_BACKOFF = 3_600_000;
const DAY = 86_400_000;
const YEAR = 365 * DAY;

/** What the contract's timestamps can say. */
const FIRST_TIME = Date.parse("0001-01-01T00:00:00Z");
const LAST_TIME = Date.parse("9999-12-31T23:59:59.999Z");

/** What an app declared as a job. Apps may be written without types, so everything is looked at; throws one clear line. */
export function toDeclaration(name: string, run: RunJob, options: JobOptions = {}): JobDeclaration {
  const refuse = (what: string): never => {
    throw new Error(`job ${name}: ${what}`);
  };
  if (name.startsWith(OWN_JOBS)) refuse(`names that begin with ${OWN_JOBS} are the server's own`);
  const unknown = Object.keys(options).find((key) => !OPTIONS.includes(key));
  if (unknown !== undefined) refuse(`there is no option ${unknown}; there are ${OPTIONS.join(", ")}`);
  const { queue = "default", maxAttempts = MAX_ATTEMPTS, timeout, concurrency, backoff, args } = options;
  if (!isWhole(maxAttempts, 1, 100)) refuse("maxAttempts is a whole number from 1 to 100");
  if (concurrency !== undefined && !isWhole(concurrency, 1, 10_000)) refuse("concurrency is a whole number from 1 on");
  const timeoutMs = timeout === undefined ? undefined : msOf(timeout);
  if (timeout !== undefined && !isWithin(timeoutMs, 1, DAY)) refuse("timeout is a duration up to a day");
  if (args !== undefined && typeof args["~standard"]?.validate !== "function") refuse("args is no schema");
  return {
    name,
    run,
    queue,
    maxAttempts,
    timeoutMs,
    concurrency,
    backoffMs:
      typeof backoff === "function" ? trusting(backoff, doubling({}, refuse)) : doubling(backoff ?? {}, refuse),
    inside: false,
    check: args === undefined ? async (given) => ({ args: given }) : (given) => validate(args, given),
  };
}

/** Twice as long after each attempt. */
function doubling(
  { least = LEAST_BACKOFF, most = MOST_BACKOFF }: { least?: number | string; most?: number | string },
  refuse: (what: string) => never,
): (attempt: number) => number {
  const [leastMs, mostMs] = [msOf(least), msOf(most)];
  if (!isWithin(mostMs, 0, YEAR) || !isWithin(leastMs, 0, mostMs))
    return refuse("backoff has durations least and most, up to 365 days");
  return (attempt) => Math.min(leastMs * 2 ** Math.min(attempt - 1, 40), mostMs);
}

/**
 * As an app's function says, up to a year; as `otherwise` says where that is no duration. Whatever it does, the attempt that
 * failed is to be written as such.
 */
function trusting(backoff: (attempt: number) => unknown, otherwise: (attempt: number) => number) {
  return (attempt: number): number => {
    try {
      const ms = backoff(attempt);
      if (typeof ms === "number" && ms >= 0 && ms < Infinity) return Math.min(ms, YEAR);
      // A promise is no duration, and nobody else would hear that it was broken.
      if (ms instanceof Promise) ms.catch(() => {});
    } catch {}
    return otherwise(attempt);
  };
}

async function validate(schema: ArgsSchema, given: JsonObject): ReturnType<JobDeclaration["check"]> {
  const result = await schema["~standard"].validate(given);
  if (result.issues === undefined) return { args: result.value as JsonObject };
  const issues = result.issues.map(
    ({ message, path = [] }): ArgsIssue => ({ path: path.map(keyOf).join("."), message }),
  );
  return { issues };
}

/** A step of a path is a key, or an object that has one. */
function keyOf(step: unknown): string {
  return typeof step === "object" && step !== null && "key" in step ? String(step.key) : String(step);
}

/** How a cron behaves, as an app writes it. */
export interface CronOptions {
  readonly args?: JsonObject;
  readonly timeZone?: string;
  readonly missed?: MissedTicks;
  readonly queue?: string;
}

const CRON_OPTIONS = ["args", "timeZone", "missed", "queue"];

/** What an app declared as a cron; throws one clear line. What is wrong with the expression is found at the start. */
export function toCron(id: string, expression: string, job: string, options: CronOptions = {}): CronDeclaration {
  const { args = {}, timeZone = "UTC", missed = "one", queue } = options;
  const unknown = Object.keys(options).find((key) => !CRON_OPTIONS.includes(key));
  if (unknown !== undefined) throw new Error(`cron ${id}: there is no option ${unknown}`);
  if (typeof job !== "string") throw new Error(`cron ${id}: it needs a job's name, or a function`);
  if (!isJsonObject(args)) throw new Error(`cron ${id}: args is an object`);
  if (!["one", "all", "skip"].includes(missed)) throw new Error(`cron ${id}: missed is one, all or skip`);
  return { id, expression, timeZone, job, args, queue, missed };
}

/** When, where and how often a job is done, as an app writes it. Durations in milliseconds, or as text such as `30s`. */
export interface SubmitOptions {
  readonly queue?: string;
  readonly runAt?: Date;
  readonly delay?: number | string;
  readonly uniqueKey?: string;
  readonly uniqueFor?: number | string;
  readonly onConflict?: "keep" | "replace" | "fail";
  readonly orderKey?: string;
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly timeout?: number | string;
}

const SUBMIT_OPTIONS = [
  ...[
    "queue",
    "runAt",
    "delay",
    "uniqueKey",
    "uniqueFor",
    "onConflict",
    "orderKey",
    "priority",
    "maxAttempts",
    "timeout",
  ],
];

/** A job to submit, as an app wrote it. Throws a TypeError that says what is wrong. */
export function toNewJob(name: string, args: JsonObject = {}, options: SubmitOptions = {}): NewJob {
  const refuse = (what: string): never => {
    throw new TypeError(`submitting ${name}: ${what}`);
  };
  const unknown = Object.keys(options).find((key) => !SUBMIT_OPTIONS.includes(key));
  if (unknown !== undefined) refuse(`there is no option ${unknown}`);
  if (!isJsonObject(args)) refuse("args is an object");
  const { queue, runAt, delay, uniqueKey, uniqueFor, onConflict, orderKey, priority, maxAttempts, timeout } = options;
  if (runAt !== undefined && !(runAt instanceof Date && isWithin(runAt.getTime(), FIRST_TIME, LAST_TIME))) {
    refuse("runAt is a Date of the years 1 to 9999");
  }
  if (runAt !== undefined && delay !== undefined) refuse("it has either runAt or delay");
  if (queue !== undefined && !/^[a-z][a-z0-9_-]{0,62}$/.test(queue)) refuse("queue is no name of a queue");
  if (onConflict !== undefined && !["keep", "replace", "fail"].includes(onConflict)) {
    refuse("onConflict is keep, replace or fail");
  }
  for (const [key, text] of Object.entries({ uniqueKey, orderKey })) {
    if (text !== undefined && !isKey(text)) {
      refuse(`${key} is a text of 1 to 255 characters, without NUL and halves of surrogate pairs`);
    }
  }
  if (priority !== undefined && !isWhole(priority, -100, 100)) refuse("priority is a whole number from -100 to 100");
  if (maxAttempts !== undefined && !isWhole(maxAttempts, 1, 100)) refuse("maxAttempts is a whole number from 1 to 100");
  const ms = (key: string, given: number | string | undefined, least: number, most: number) => {
    const value = given === undefined ? undefined : msOf(given);
    if (given !== undefined && !isWithin(value, least, most)) refuse(`${key} is a duration`);
    return value;
  };
  return {
    name,
    args,
    queue,
    runAt,
    delayMs: ms("delay", delay, 0, 3650 * DAY),
    uniqueKey,
    uniqueForMs: ms("uniqueFor", uniqueFor, 0, YEAR),
    onConflict,
    orderKey,
    priority,
    maxAttempts,
    timeoutMs: ms("timeout", timeout, 1, DAY),
  };
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** False for what is no number. */
function isWithin(value: number | undefined, least: number, most: number): value is number {
  return value !== undefined && value >= least && value <= most;
}

/** What the database and the contract take as a key. */
function isKey(text: unknown): boolean {
  return (
    typeof text === "string" && text.length > 0 && text.length <= 255 && !text.includes("\0") && text.isWellFormed()
  );
}

/** Whether its JSON is an object: that of a Date is a text, for one. */
function isJsonObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && JSON.stringify(value)?.startsWith("{") === true;
}

/** In whole milliseconds. */
function msOf(given: number | string): number | undefined {
  return typeof given === "number" ? Math.round(given) : milliseconds(given);
}
