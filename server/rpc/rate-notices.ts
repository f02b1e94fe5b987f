import { randomUUID } from "node:crypto";
import type { Bus } from "../platform/bus/bus.js";
import type { Bucket, Buckets } from "./rate-buckets.js";

/** What a node has spent of some buckets since it last said so. */
interface Notice {
  /** Who says it. */
  readonly node: string;
  readonly spent: readonly [kind: string, name: string, count: number][];
}

/** Tells the other nodes what is spent here, and hears what they have spent. */
export interface RateNotices {
  spent(bucket: Bucket): void;
  stop(): void;
}

const SUBJECT = "rate.spent";
/** Milliseconds that are told of at once. */
const GATHER_MS = 250;
/** Buckets of one notice: those of which most was spent. The others are not told of. */
const MOST_TOLD = 1_000;
/** A bucket that is fuller than this is nobody else's business: nearly everybody's is, all the time. */
const NEARLY_FULL = 0.75;

/** Notices may be lost, and while the bus is away each node counts alone. Nothing runs while nothing is spent. */
export function rateNotices(bus: Bus, buckets: Buckets): RateNotices {
  const node = randomUUID();
  const spent = new Map<Bucket, number>();
  let timer: NodeJS.Timeout | undefined;

  const tell = () => {
    timer = undefined;
    const most = [...spent].sort(([, one], [, other]) => other - one).slice(0, MOST_TOLD);
    spent.clear();
    const notice: Notice = { node, spent: most.map(([{ kind, name }, count]) => [kind, name, count]) };
    bus.publish(SUBJECT, notice);
  };

  const leave = bus.subscribe(SUBJECT, (message) => {
    const notice = message as Notice;
    if (notice.node === node) return;
    for (const [kind, name, count] of notice.spent) buckets.subtract(kind, name, count);
  });

  return {
    spent(bucket) {
      if (bucket.tokens >= bucket.budget.burst * NEARLY_FULL) return;
      spent.set(bucket, (spent.get(bucket) ?? 0) + 1);
      timer ??= setTimeout(tell, GATHER_MS).unref();
    },
    stop() {
      clearTimeout(timer);
      leave();
    },
  };
}
