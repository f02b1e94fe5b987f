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

/** Signatures of an address that were refused. A secret can be guessed by signing with it, so they are as few as sign-ins. */
const GUESSES: Budget = { perMinute: 30, burst: 30 };

/** What of a call was refused. */
export type Refused = "token" | "signature";

interface Bucket {
  tokens: number;
  at: number;
}

/** The budgets of this node. Each throws RATE_LIMITED with the time after which a repeat will pass. */
export interface RateLimiter {
  /** Counts a call that is about to be carried out. */
  count(call: Call): void;
  /** Throws while the call's address has spent its refusals. */
  checkRefusals(call: Call, of: Refused): void;
  /** Counts a call whose token, cookie or signature was refused. */
  countRefusal(call: Call, of: Refused): void;
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

  const budgets = { token: REFUSALS, signature: GUESSES };
  const refusals = (call: Call, of: Refused) => filled(`refused ${of} ${addressKey(call.remote)}`, budgets[of]);

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
    checkRefusals: (call, of) => check(refusals(call, of), budgets[of]),
    countRefusal(call, of) {
      refusals(call, of).tokens -= 1;
    },
  };
}
