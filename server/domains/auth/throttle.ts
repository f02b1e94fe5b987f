import type { Ctx, Ports } from "../../context.js";
import { DomainError, type Reason } from "../../kernel/errors.js";
import * as store from "./store-throttle.js";

/** What is tried, and for what. */
export interface Tried {
  /** A count of its own for each: what is tried at one lets nobody wait at another. */
  purpose: "sign-in" | "signature" | "old-secret" | "otp" | "verify-code" | "verify-mail" | "reset-code" | "reset-mail";
  /** What it is counted by: a folded login, an account, an address; whether it exists or not. */
  subject: string;
  /** Names a known device, which is counted apart; see known-device.ts. */
  knownDevice?: string | undefined;
}

/** A try that was counted before anybody knew how it would end. Both outlast the call: its deadline is the guesser's to choose. */
export interface Try {
  /** It was right: it does not count; from a known device it clears what others have tried. */
  passed(): Promise<void>;
  /** Nothing was compared: it does not count. */
  giveBack(): Promise<void>;
}

/** One row of tries. */
interface Count {
  key: Buffer;
  /** Seconds until the next try, after each. */
  waits: string[];
}

/** So many are answered at once; then it is a second, doubled up to a quarter of an hour. */
const waitsAfter = (free: number) =>
  [...Array.from({ length: free - 1 }, () => 0), ...Array.from({ length: 10 }, (_, n) => 2 ** n), 900].map(String);

const WAITS = waitsAfter(5);

/** Of all known devices together: whoever has the token of many, a thief of them too, guesses little more than with one. */
const DEVICES_WAITS = waitsAfter(50);

/** The same of mails, which reach somebody who may not have asked for them: five, then after 5, 15 and 60 minutes. */
const MAIL_WAITS = [0, 0, 0, 0, 300, 900, 3600].map(String);

/** In the place of a device's name, which is longer. */
const NO_DEVICE = "";
const ALL_DEVICES = "all";

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
  const from = { db: ctx.database };
  const counted: { key: Buffer; lockedUntil: Date }[] = [];
  const giveBack = async () => {
    for (const one of counted.splice(0)) await store.uncountTry(from, { ...one, at });
  };
  try {
    for (const { key, waits } of countsOf(ctx, tried)) {
      const [row] = await store.countTry(ctx, { key, at, waits, forgottenAt: forgottenAt(at) });
      if (row?.counted !== true) throw tooManyTries(at, row?.lockedUntil);
      counted.push({ key, lockedUntil: row.lockedUntil });
    }
  } catch (error) {
    await giveBack();
    throw error;
  }
  return {
    async passed() {
      await giveBack();
      if (tried.knownDevice === undefined) return;
      await store.forgetTries(from, { key: keyOf(ctx, tried, NO_DEVICE) });
    },
    giveBack,
  };
}

/**
 * Does `work`, which compares something, as a try. It counts when it ends in `wrong`; whatever else it ends in was no guess. Throws
 * what `beginTry` and `work` do.
 */
export async function withTry<T>(ctx: Ctx, tried: Tried, wrong: Reason, work: () => Promise<T>): Promise<T> {
  const attempt = await beginTry(ctx, tried);
  const done = await work().catch(async (error) => {
    if (!(error instanceof DomainError && error.reason === wrong)) await attempt.giveBack();
    throw error;
  });
  await attempt.passed();
  return done;
}

/** Counts a try that was compared and is wrong; answers until when no other may be compared. */
export async function countWrong(ports: Ports, tried: Tried): Promise<Date> {
  const at = ports.clock.now();
  const count = { key: keyOf(ports, tried, NO_DEVICE), at, waits: WAITS, forgottenAt: forgottenAt(at) };
  const [row] = await store.countTry({ db: ports.database }, count);
  return row?.lockedUntil ?? at;
}

/** What whoever has to wait is told: a repeat will be answered at `lockedUntil`, as far as that is known. */
export function tooManyTries(now: Date, lockedUntil = now): DomainError {
  const waitMs = lockedUntil.getTime() - now.getTime();
  return new DomainError("TOO_MANY_TRIES", undefined, { retryAfterMs: Math.max(LEAST_WAIT, waitMs) });
}

/** Before this, a last try is forgotten. */
export function forgottenAt(now: Date): Date {
  return new Date(now.getTime() - FORGOTTEN_AFTER);
}

/** The rows that a try counts in: the one whose lock is its own comes first, so that no other is raised while it is locked. */
function countsOf(ctx: Ctx, tried: Tried): Count[] {
  const { purpose, knownDevice } = tried;
  if (knownDevice === undefined) {
    const waits = purpose === "verify-mail" || purpose === "reset-mail" ? MAIL_WAITS : WAITS;
    return [{ key: keyOf(ctx, tried, NO_DEVICE), waits }];
  }
  return [
    { key: keyOf(ctx, tried, knownDevice), waits: WAITS },
    { key: keyOf(ctx, tried, ALL_DEVICES), waits: DEVICES_WAITS },
  ];
}

/** Nobody learns from the table which logins were tried. */
function keyOf({ key }: Pick<Ports, "key">, { purpose, subject }: Tried, device: string): Buffer {
  return key.mac("sign-in-tries", JSON.stringify([purpose, subject, device]));
}
