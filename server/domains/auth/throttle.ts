import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import * as store from "./store-throttle.js";

/** What is tried, and for what. */
export interface Tried {
  /** A count of its own for each. */
  purpose: "sign-in" | "code" | "otp" | "mail";
  /** What it is counted by: a folded login, an account, an address; whether it exists or not. */
  subject: string;
  /** Names a known device, which is counted apart; see known-device.ts. */
  knownDevice?: string | undefined;
}

/** A try that was counted before anybody knew how it would end. */
export interface Try {
  /** It was right: it does not count; from a known device it clears what others have tried. */
  passed(): Promise<void>;
  /** Nothing was compared: it does not count. */
  giveBack(): Promise<void>;
}

/** Seconds until the next try, after each: five are answered at once, then it is a second, doubled up to a quarter of an hour. */
const WAITS = [0, 0, 0, 0, ...Array.from({ length: 10 }, (_, n) => 2 ** n), 900].map(String);

/** Milliseconds without a try after which a count is forgotten. */
const FORGOTTEN_AFTER = 24 * 3_600_000;

/** For another that began in the same moment, and is locked out by what this one cannot see yet. */
const LEAST_WAIT = 1_000;

const UNCOUNTED: Try = { passed: async () => {}, giveBack: async () => {} };

/**
 * Counts a try, before anything is compared: a hundred that come at once are as many as a hundred that come one by one. Throws
 * TOO_MANY_TRIES, with the time after which a repeat will be answered, while there have been too many.
 */
export async function beginTry(ctx: Ctx, tried: Tried): Promise<Try> {
  if (!ctx.settings.limitRates) return UNCOUNTED;
  const at = ctx.clock.now();
  const key = keyOf(ctx, tried);
  const [row] = await store.countTry(ctx, { key, at, waits: WAITS, forgottenAt: forgottenAt(at) });
  if (row?.counted !== true) {
    const waitMs = (row?.lockedUntil.getTime() ?? 0) - at.getTime();
    throw new DomainError("TOO_MANY_TRIES", undefined, { retryAfterMs: Math.max(LEAST_WAIT, waitMs) });
  }
  const { lockedUntil } = row;
  const giveBack = async () => void (await store.uncountTry(ctx, { key, at, lockedUntil }));
  return {
    async passed() {
      await giveBack();
      if (tried.knownDevice === undefined) return;
      await store.forgetTries(ctx, { key: keyOf(ctx, { ...tried, knownDevice: undefined }) });
    },
    giveBack,
  };
}

/** Before this, a last try is forgotten. */
export function forgottenAt(now: Date): Date {
  return new Date(now.getTime() - FORGOTTEN_AFTER);
}

/** Nobody learns from the table which logins were tried. */
function keyOf(ctx: Ctx, { purpose, subject, knownDevice = "" }: Tried): Buffer {
  return ctx.key.mac("sign-in-tries", JSON.stringify([purpose, subject, knownDevice]));
}
