import type { CronDeclaration, DeclaredJobs, JsonObject, MissedTicks } from "../../kernel/jobs.js";
import { checkCron } from "./expression.js";

const KEYS = ["type", "cron", "job", "args", "id", "tz", "missed"];
const MISSED = ["one", "all", "skip"];
/** The queue of entries of the type `remote`: whichever machine has a worker of it. */
const REMOTE = "remote";
/** An id of an entry, and one of a cron as a whole. */
const ID = /^[A-Za-z0-9_-]{1,40}$/;
const WHOLE_ID = /^(?=.{1,100}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,7}$/;

/** A job of an entry, and what it is given. */
interface Task {
  readonly name: string;
  readonly args: JsonObject;
}

/**
 * The crons of a file that is a JSON list as the predecessor's `etc/crontab`. Each job of an entry becomes a cron of its own, named
 * `crontab.ID` and, where there are several, the job. The ID of an entry that has none is its number, from 1 on. Throws one line
 * that names the file and the entry, or the line where it is no JSON.
 */
export function readCrontab(path: string, text: string, declared: Pick<DeclaredJobs, "find">): CronDeclaration[] {
  const entries = parse(path, text);
  if (!Array.isArray(entries)) throw new Error(`${path}: expected a list of entries`);
  const ids = new Set<string>();
  return entries.flatMap((entry: unknown, n) => {
    const refuse = (what: string): never => {
      throw new Error(`${path}: entry ${n + 1}: ${what}`);
    };
    const crons = cronsOf(entry, String(n + 1), refuse);
    for (const { id, job } of crons) {
      if (declared.find(job) === undefined) refuse(`there is no job ${job}`);
      if (!WHOLE_ID.test(id)) refuse(`the id ${id} is too long`);
      if (ids.has(id)) refuse(`another entry has the id ${id} too`);
      ids.add(id);
    }
    return crons;
  });
}

function cronsOf(entry: unknown, number: string, refuse: (what: string) => never): CronDeclaration[] {
  if (!isObject(entry)) return refuse("expected an object");
  const unknown = Object.keys(entry).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) refuse(`there is no ${JSON.stringify(unknown)}; there are ${KEYS.join(", ")}`);
  const { type, cron, job, args = {}, id = number, tz = "UTC", missed = "one" } = entry;
  if (type !== "local" && type !== "remote" && type !== "server") refuse("type is local, remote or server");
  if (typeof cron !== "string" || typeof tz !== "string") return refuse("cron and tz are texts");
  if (!isObject(args)) return refuse("args is an object");
  if (typeof id !== "string" || !ID.test(id)) return refuse("id is up to 40 letters, digits, - and _");
  if (!MISSED.includes(missed as MissedTicks)) refuse("missed is one, all or skip");
  try {
    checkCron(cron, tz);
  } catch (error) {
    refuse((error as Error).message);
  }
  const tasks = tasksOf(job, args, refuse);
  const names = tasks.map(({ name }) => name);
  return tasks.map(({ name, args }, n) => ({
    id: ["crontab", id, ...(tasks.length > 1 ? [nthName(names, n)] : [])].join("."),
    expression: cron,
    timeZone: tz,
    job: name,
    args,
    queue: type === "remote" ? REMOTE : undefined,
    missed: missed as MissedTicks,
  }));
}

/** A name alone, or names with what each is given beside the entry's own `args`; with `$` in front a name may stand again. */
function tasksOf(job: unknown, args: JsonObject, refuse: (what: string) => never): Task[] {
  if (typeof job === "string") return [{ name: job, args }];
  if (!isObject(job) || Object.keys(job).length === 0) return refuse("job is a name, or an object of names");
  return Object.entries(job).map(([key, options]) => {
    if (!isObject(options)) return refuse(`what ${key} is given is no object`);
    return { name: key.replace(/^\$+/, ""), args: { ...args, ...options } };
  });
}

/** A name, and from the second time it stands there on its number. */
function nthName(names: readonly string[], n: number): string {
  const name = names[n]!;
  const before = names.slice(0, n).filter((other) => other === name).length;
  return before === 0 ? name : `${name}-${before + 1}`;
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${path}:${brokenLine(text)}: not valid JSON`);
  }
}

/** The line that cannot be read, which not every version of Node tells. What ends too early is broken at its end. */
function brokenLine(text: string): number {
  const lines = text.split("\n");
  const found = lines.findIndex((_, n) => isBroken(`${lines.slice(0, n + 1).join("\n")}\n`));
  return (found === -1 ? lines.length - 1 : found) + 1;
}

/** Whether nothing that could follow makes it JSON. */
function isBroken(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return false;
  } catch (error) {
    const { message } = error as Error;
    const [, position] = /at position (\d+)/.exec(message) ?? [];
    return !message.startsWith("Unexpected end") && !(Number(position) >= beginning.length);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
