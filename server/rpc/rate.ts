import { LRUCache } from "lru-cache";
import { RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { DomainError } from "../kernel/errors.js";
import type { Call } from "./call.js";

/** Calls a minute, and how many may come at once. Accounts are counted by account, others by address. */
const BUDGETS: Partial<Record<RateClass, { perMinute: number; burst: number }>> = {
  [RateClass.READ]: { perMinute: 6_000, burst: 600 },
  [RateClass.WRITE]: { perMinute: 1_200, burst: 200 },
  [RateClass.SECRET]: { perMinute: 30, burst: 30 },
  [RateClass.STREAM]: { perMinute: 120, burst: 60 },
};

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets of this node. Throws RATE_LIMITED with the time after which a repeat will pass. */
export function rateLimiter(): (call: Call) => void {
  const buckets = new LRUCache<string, Bucket>({ max: 100_000 });
  return (call) => {
    const budget = BUDGETS[call.method.rateClass];
    if (budget === undefined) return;
    // Guessing secrets is counted by address whoever the caller says he is.
    const byAccount = call.caller.kind === "account" && call.method.rateClass !== RateClass.SECRET;
    const who = byAccount && call.caller.kind === "account" ? call.caller.accountId : call.remote;
    const key = `${call.method.rateClass} ${who}`;
    const now = performance.now();
    const bucket = buckets.get(key) ?? { tokens: budget.burst, at: now };
    bucket.tokens = Math.min(budget.burst, bucket.tokens + ((now - bucket.at) * budget.perMinute) / 60_000);
    bucket.at = now;
    if (bucket.tokens < 1) {
      buckets.set(key, bucket);
      const retryAfterMs = Math.ceil(((1 - bucket.tokens) * 60_000) / budget.perMinute);
      throw new DomainError("RATE_LIMITED", undefined, { retryAfterMs });
    }
    bucket.tokens -= 1;
    buckets.set(key, bucket);
  };
}
