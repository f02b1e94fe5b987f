import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "../db/db.js";
import type { DueJob } from "../queue/queue.js";
import { wakeFreeNextOfKey } from "../queue/store.js";

/** Somebody has the next jobs of these order keys in hand, such as a job whose transaction has replaced them. */
export class KeysHeld extends Error {
  override readonly name = "KeysHeld";
  constructor(readonly orderKeys: readonly string[]) {
    super("the next jobs of some order keys are held by others");
  }
}

/** Somebody who takes or parks jobs has them in hand for a moment: milliseconds until the next tries. */
const PAUSES = [2, 5, 10];

/**
 * Lets the next job of each order key be taken, in the transaction that finishes the one before it; answers those to offer once
 * that is committed. Waits for nobody. Throws KeysHeld: the transaction is to be rolled back then, or to try again, since the
 * next would wait for ever.
 */
export async function wakeNext(db: Db, orderKeys: readonly string[]): Promise<readonly DueJob[]> {
  const woken: DueJob[] = [];
  let left = orderKeys;
  for (let tries = 0; left.length > 0; tries++) {
    const met = await wakeFreeNextOfKey({ db }, { orderKeys: left });
    for (const { id, queue, fence, heldKey } of met) if (heldKey === null) woken.push({ id, queue, fence });
    left = met.flatMap(({ heldKey }) => heldKey ?? []);
    if (left.length > 0 && tries === PAUSES.length) throw new KeysHeld(left);
    if (left.length > 0) await sleep(PAUSES[tries]);
  }
  return woken;
}

/** The order keys of some jobs, each once. */
export function orderKeysOf(jobs: readonly { readonly orderKey: string | null }[]): string[] {
  return [...new Set(jobs.flatMap(({ orderKey }) => orderKey ?? []))];
}
