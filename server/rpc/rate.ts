import { LRUCache } from "lru-cache";
import { RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { addressKey } from "../kernel/address.js";
import { DomainError } from "../kernel/errors.js";
import type { Call } from "./call.js";

interface Budget {
  perMinute: number;
  burst: number;
}

/** Calls a minute, and how many may come at once. Accounts are counted by account, others by address. */
const BUDGETS: Partial<Record<RateClass, Budget>> = {
  [RateClass.READ]: { perMinute: 6_000, burst: 600 },
  [RateClass.WRITE]: { perMinute: 1_200, burst: 200 },
  [RateClass.SECRET]: { perMinute: 30, burst: 30 },
  [RateClass.STREAM]: { perMinute: 120, burst: 60 },
};

/** Calls of an address whose token was refused: each cost a look at the database. */
const REFUSALS: Budget = { perMinute: 1_200, burst: 600 };

interface Bucket {
  tokens: number;
  at: number;
}

/** The budgets of this node. Each throws RATE_LIMITED with the time after which a repeat will pass. */
export interface RateLimiter {
  /** Counts a call that is about to be carried out. */
  count(call: Call): void;
  /** Throws while the call's address has spent its refusals. */
  checkRefusals(call: Call): void;
  /** Counts a call whose token was refused. */
  countRefusal(call: Call): void;
}

export const unlimited: RateLimiter = { count() {}, checkRefusals() {}, countRefusal() {} };

export function rateLimiter(): RateLimiter {
  const buckets = new LRUCache<string, Bucket>({ max: 100_000 });

  const filled = (key: string, budget: Budget): Bucket => {
    const now = performance.now();
    const bucket = buckets.get(key) ?? { tokens: budget.burst, at: now };
    bucket.tokens = Math.min(budget.burst, bucket.tokens + ((now - bucket.at) * budget.perMinute) / 60_000);
    bucket.at = now;
    buckets.set(key, bucket);
    return bucket;
  };

  const check = (bucket: Bucket, budget: Budget) => {
    if (bucket.tokens >= 1) return;
    const retryAfterMs = Math.ceil(((1 - bucket.tokens) * 60_000) / budget.perMinute);
    throw new DomainError("RATE_LIMITED", undefined, { retryAfterMs });
  };

  const refusals = (call: Call) => filled(`refused ${addressKey(call.remote)}`, REFUSALS);

  return {
    count(call) {
      const { rateClass } = call.method;
      const budget = BUDGETS[rateClass];
      if (budget === undefined) return;
      // Guessing secrets is counted by address whoever the caller says he is.
      const byAccount = call.caller.kind === "account" && rateClass !== RateClass.SECRET;
      const who = byAccount && call.caller.kind === "account" ? call.caller.accountId : addressKey(call.remote);
      const bucket = filled(`${rateClass} ${who}`, budget);
      check(bucket, budget);
      bucket.tokens -= 1;
    },
    checkRefusals: (call) => check(refusals(call), REFUSALS),
    countRefusal(call) {
      refusals(call).tokens -= 1;
    },
  };
}
