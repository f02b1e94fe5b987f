import { Cron } from "croner";

/** When something is done by the clock. */
export interface CronTimes {
  /** Five fields, or six that begin with the seconds. */
  readonly expression: string;
  /** An IANA name. */
  readonly timeZone: string;
}

/** What has been read, by expression and time zone. There are as many as crons were ever declared here. */
const known = new Map<string, Cron>();

/**
 * Throws one clear line when there are no such times: the expression cannot be read, never comes true, or the time zone is
 * unknown.
 */
export function checkCron(expression: string, timeZone: string): void {
  if (!isTimeZone(timeZone)) throw new Error(`there is no time zone ${JSON.stringify(timeZone)}`);
  const refuse = (why: string): never => {
    throw new Error(`${JSON.stringify(expression)} is no cron expression: ${why}`);
  };
  const fields = expression.trim().split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6) refuse("it has five fields, or six that begin with the seconds");
  // It would stand for the moment at which a process reads it, and mean something else on every node.
  if (expression.includes("?")) refuse("there is no ? in it");
  try {
    if (timesOf({ expression, timeZone }).nextRun(new Date(0)) === null) refuse("its time never comes");
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    refuse(error.message.replace(/^CronPattern: /, "").replace(/\.$/, ""));
  }
}

/** The first time after a moment. */
export function nextTick(cron: CronTimes, after: Date): Date {
  const next = timesOf(cron).nextRun(after);
  if (next === null) throw new Error(`the time of ${JSON.stringify(cron.expression)} never comes`);
  return next;
}

/** The last times before a moment, at most so many, oldest first. */
export function lastTicks(cron: CronTimes, before: Date, most: number): Date[] {
  return timesOf(cron).previousRuns(most, before).reverse();
}

function timesOf({ expression, timeZone }: CronTimes): Cron {
  const key = `${timeZone} ${expression}`;
  const read = known.get(key);
  if (read !== undefined) return read;
  const made = new Cron(expression, {
    timezone: timeZone,
    paused: true,
    mode: "5-or-6-parts",
    // A time that comes twice in autumn is one time, also where several are listed.
    fixedTimeRule: "no-wildcard",
  });
  known.set(key, made);
  return made;
}

function isTimeZone(name: string): boolean {
  // Some versions of Node take offsets such as +02:00 too.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
