import { RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { addressKey } from "../kernel/address.js";
import type { InstanceKey } from "../kernel/instance-key.js";
import type { Bus } from "../platform/bus/bus.js";
import type { Call } from "./call.js";
import type { Method } from "./methods.js";
import { createProofGate } from "./proof-gate.js";
import { type Bucket, type Budget, checkBucket, createBuckets, type Naming, spend } from "./rate-buckets.js";
import { rateNotices } from "./rate-notices.js";

/** Calls a minute of each class, as the settings `limits.*_per_minute` have them. */
export interface RateLimits {
  readonly reads: number;
  readonly writes: number;
  readonly secrets: number;
  readonly streams: number;
}

/** What of a call was refused. */
export type Refused = "token" | "signature";

/** What a call is counted by. */
export type Counted = Pick<Call, "caller" | "remote"> & { readonly method: Pick<Method, "rateClass"> };

/** The budgets of this node, of which the others hear. Each throws RATE_LIMITED with the time after which a repeat will pass. */
export interface RateLimiter {
  /** Counts a call that is about to be carried out; one that is refused counts for nothing. */
  count(call: Counted): void;
  /** Throws while the call's address has spent its refusals. */
  checkRefusals(call: Counted, of: Refused): void;
  /** Counts a call whose token, cookie or signature was refused. */
  countRefusal(call: Counted, of: Refused): void;
  /**
   * Waits while as many proofs of the call's address are under way as may still be refused. Resolves with what has to be told
   * how it ended, and counts it when it was refused.
   */
  startProof(call: Counted, of: Refused): Promise<(isRefused: boolean) => void>;
  /** Tells the other nodes nothing any more, and hears nothing. */
  stop(): void;
}

export const unlimited: RateLimiter = {
  count() {},
  checkRefusals() {},
  countRefusal() {},
  startProof: async () => () => {},
  stop() {},
};

/** Of the calls of a minute so many may come at once, and the least is that. */
const BURST = { share: 0.1, least: 30 };

/** How much more than one account all who share an address may call. */
const SHARED_BY = 10;

/** Calls of an address whose token was refused: each cost a look at the database. */
const REFUSED_TOKENS: Budget = { perMinute: 1_200, burst: 600 };

/** The classes that are counted. */
const CLASSES: Partial<Record<RateClass, keyof RateLimits>> = {
  [RateClass.READ]: "reads",
  [RateClass.WRITE]: "writes",
  [RateClass.SECRET]: "secrets",
  [RateClass.STREAM]: "streams",
};

/**
 * Counts calls by token buckets. An account has one for each class, whatever address it calls from; so has each address that
 * calls without saying who it is; and one ten times as large all who call from an address. Secrets are counted by address
 * alone: who guesses them may say he is anybody.
 */
export function rateLimiter({ bus, key, limits }: { bus: Bus; key: InstanceKey; limits: RateLimits }): RateLimiter {
  const budgets = budgetsOf(limits);
  const naming: Naming = {
    epoch: () => key.fingerprint,
    nameOf: (text) => key.mac("rate-bucket", text).toString("base64url", 0, 18),
  };
  const buckets = createBuckets(budgets, naming);
  const notices = rateNotices(bus, buckets);
  const proofs = createProofGate();

  const take = (bucket: Bucket) => {
    spend(bucket, 1);
    notices.spent(bucket);
  };
  const refusals = ({ remote }: Counted, of: Refused) => buckets.filled(`refused ${of}`, addressKey(remote));

  return {
    count({ method, caller, remote }) {
      const kind = CLASSES[method.rateClass];
      if (kind === undefined) return;
      const address = addressKey(remote);
      const byAccount = caller.kind === "account" && kind !== "secrets";
      const own = buckets.filled(kind, byAccount ? caller.accountId : address);
      checkBucket(own);
      if (kind !== "secrets") {
        const shared = buckets.filled(`${kind} of all`, address);
        checkBucket(shared);
        take(shared);
      }
      take(own);
    },
    checkRefusals: (call, of) => checkBucket(refusals(call, of)),
    countRefusal: (call, of) => take(refusals(call, of)),
    async startProof(call, of) {
      const end = await proofs.enter(() => refusals(call, of));
      return (isRefused) => {
        if (isRefused) take(refusals(call, of));
        end();
      };
    },
    stop: () => notices.stop(),
  };
}

function budgetsOf(limits: RateLimits): ReadonlyMap<string, Budget> {
  const budgets = new Map<string, Budget>();
  for (const [kind, perMinute] of Object.entries(limits)) {
    budgets.set(kind, budgetOf(perMinute));
    if (kind !== "secrets") budgets.set(`${kind} of all`, budgetOf(perMinute * SHARED_BY));
  }
  budgets.set("refused token", REFUSED_TOKENS);
  // A secret can be guessed by signing with it, so refused signatures are as few as sign-ins.
  budgets.set("refused signature", budgetOf(limits.secrets));
  return budgets;
}

function budgetOf(perMinute: number): Budget {
  const burst = Math.max(BURST.least, perMinute * BURST.share);
  return { perMinute, burst: Math.min(perMinute, burst) };
}
