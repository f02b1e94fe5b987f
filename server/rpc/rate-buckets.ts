import { LRUCache } from "lru-cache";
import { DomainError } from "../kernel/errors.js";

/** So many calls a minute, and so many at once. */
export interface Budget {
  readonly perMinute: number;
  readonly burst: number;
}

/** What is left of one budget. */
export interface Bucket {
  /** Says to other nodes which one it is, but not whose. */
  name: string;
  /** The epoch of that name. */
  epoch: string;
  /** Which budget it is of. */
  readonly kind: string;
  readonly budget: Budget;
  /** Calls that may come at once, as of `at`. Below 0 when more was spent at once than there was, here or by other nodes. */
  tokens: number;
  /** Milliseconds of this process's own clock. */
  at: number;
}

/** The buckets of a node. */
export interface Buckets {
  /** The bucket of `owner` in the budget `kind`, filled up to now. */
  filled(kind: string, owner: string): Bucket;
  /** Takes what another node has spent of the bucket of that name. A budget that is not known here is passed over. */
  subtract(kind: string, name: string, count: number): void;
}

/** Gives buckets names that are the same on all nodes, and from which nobody learns whose they are. */
export interface Naming {
  /** All names become others when this does. */
  epoch(): string;
  nameOf(key: string): string;
}

/** So many are kept; of who has not called for longest it is forgotten what he has spent. */
const MOST_BUCKETS = 100_000;
/** Buckets of those who called other nodes, and not yet this one. */
const MOST_AWAITED = 10_000;
/** Whatever was spent at once makes nobody wait for longer than this many minutes. */
const MOST_DEBT_MINUTES = 2;
/** How old, in milliseconds, what is known of the epoch of names may be. */
const FRESH = 1_000;

export function createBuckets(budgets: ReadonlyMap<string, Budget>, { epoch: epochNow, nameOf }: Naming): Buckets {
  const named = new Map<string, Bucket>();
  const own = new LRUCache<string, Bucket>({ max: MOST_BUCKETS, dispose: ({ name }) => named.delete(name) });
  const awaited = new LRUCache<string, Bucket>({ max: MOST_AWAITED });

  let epoch = epochNow();
  let lookedAt = performance.now();

  const full = (kind: string, name: string, budget: Budget): Bucket => {
    return { name, epoch, kind, budget, tokens: budget.burst, at: performance.now() };
  };

  /** Forgets names that nobody gives any more: each bucket gets its new one when its owner calls. */
  const checkEpoch = () => {
    const now = performance.now();
    if (now - lookedAt <= FRESH) return;
    lookedAt = now;
    const found = epochNow();
    if (found === epoch) return;
    epoch = found;
    named.clear();
  };

  /** A name costs a hash, so it is made once for each owner that calls here. */
  const made = (kind: string, key: string): Bucket => {
    const name = nameOf(key);
    const bucket = awaited.get(name) ?? full(kind, name, budgets.get(kind)!);
    awaited.delete(name);
    named.set(name, bucket);
    own.set(key, bucket);
    return bucket;
  };

  /** What others have spent under the new name counts. */
  const renamed = (bucket: Bucket, key: string): Bucket => {
    bucket.name = nameOf(key);
    bucket.epoch = epoch;
    const known = awaited.get(bucket.name);
    if (known !== undefined) spend(fill(bucket), bucket.budget.burst - fill(known).tokens);
    awaited.delete(bucket.name);
    named.set(bucket.name, bucket);
    return bucket;
  };

  return {
    filled(kind, owner) {
      checkEpoch();
      const key = `${kind} ${owner}`;
      const bucket = own.get(key) ?? made(kind, key);
      return fill(bucket.epoch === epoch ? bucket : renamed(bucket, key));
    },
    subtract(kind, name, count) {
      checkEpoch();
      const budget = budgets.get(kind);
      if (budget === undefined) return;
      let bucket = named.get(name) ?? awaited.get(name);
      if (bucket === undefined) {
        bucket = full(kind, name, budget);
        awaited.set(name, bucket);
      }
      spend(fill(bucket), count);
    },
  };
}

/** Takes so many calls from a bucket that was filled just now. */
export function spend(bucket: Bucket, count: number): void {
  bucket.tokens = Math.max(bucket.tokens - count, -MOST_DEBT_MINUTES * bucket.budget.perMinute);
}

/** Throws RATE_LIMITED, with the time after which a repeat will pass, when there is no call left in the bucket. */
export function checkBucket({ tokens, budget }: Bucket): void {
  if (tokens >= 1) return;
  const retryAfterMs = Math.ceil(((1 - tokens) * 60_000) / budget.perMinute);
  throw new DomainError("RATE_LIMITED", undefined, { retryAfterMs });
}

function fill(bucket: Bucket): Bucket {
  const { budget, tokens, at } = bucket;
  const now = performance.now();
  bucket.tokens = Math.min(budget.burst, tokens + ((now - at) * budget.perMinute) / 60_000);
  bucket.at = now;
  return bucket;
}
