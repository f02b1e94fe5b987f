import type { MissedTicks } from "../../kernel/jobs.js";
import { type CronTimes, lastTicks, nextTick } from "./expression.js";

/** Milliseconds that a time may be late by; what is older was missed. */
const ON_TIME = 60_000;
/** Most times that are made up for. */
const MOST_MISSED = 1_000;

/** What is to be done about a cron. */
export interface Plan {
  /** The times to submit its job for, oldest first. */
  readonly ticks: readonly Date[];
  /** Its next time after those. */
  readonly following: Date;
  /** Whether nobody was there at a time. */
  readonly missed: boolean;
}

/**
 * What is to be done at a moment about a cron whose next time was `nextAt`; undefined when that has not come. Null is a cron
 * whose next time is not known yet: it begins now.
 */
export function planTicks(
  cron: CronTimes & { readonly missed: MissedTicks },
  nextAt: Date | null,
  now: Date,
): Plan | undefined {
  if (nextAt === null) return { ticks: [], following: nextTick(cron, now), missed: false };
  if (nextAt > now) return undefined;
  const bound = new Date(now.getTime() - ON_TIME);
  const missed = nextAt < bound;
  const ticks = missed ? madeUp(cron, nextAt, bound) : [];
  let tick = missed ? nextTick(cron, new Date(bound.getTime() - 1)) : nextAt;
  for (; tick <= now; tick = nextTick(cron, tick)) ticks.push(tick);
  return { ticks, following: tick, missed };
}

/** Of the times from `nextAt` on that are older than `bound`, those that are made up for: the newest. */
function madeUp(cron: CronTimes & { readonly missed: MissedTicks }, nextAt: Date, bound: Date): Date[] {
  if (cron.missed === "skip") return [];
  const last = lastTicks(cron, bound, cron.missed === "one" ? 1 : MOST_MISSED);
  return last.filter((tick) => tick >= nextAt);
}
