import type { Webhook } from "../../kernel/webhooks.js";

/** So many deliveries in a row without an answer, and for so many milliseconds one alone finds out whether that is over. */
const MOST = 5;
const PAUSE = 30_000;

interface Silence {
  count: number;
  why: string;
  /** When the next delivery may ask, in milliseconds since 1970. */
  until: number;
}

const silences = new WeakMap<Webhook, Silence>();

/**
 * Why a webhook is not asked just now; undefined when it may be. One that does not answer keeps each delivery waiting, and with
 * them those to others: it is left alone for a while.
 */
export function whyLeftAlone(webhook: Webhook, now: Date): string | undefined {
  const silence = silences.get(webhook);
  if (silence === undefined || silence.count < MOST) return undefined;
  if (now.getTime() < silence.until) return silence.why;
  silence.until = now.getTime() + PAUSE;
  return undefined;
}

/** Says that it answered, whatever that was. */
export function hasAnswered(webhook: Webhook): void {
  silences.delete(webhook);
}

/** Says that it did not, and why. */
export function hasNotAnswered(webhook: Webhook, why: string, now: Date): void {
  const count = (silences.get(webhook)?.count ?? 0) + 1;
  silences.set(webhook, { count, why, until: now.getTime() + PAUSE });
}
