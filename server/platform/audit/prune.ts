import type { InstanceKey } from "../../kernel/instance-key.js";
import type { Database } from "../db/db.js";
import { macAfter } from "./head.js";
import * as store from "./store.js";

/** Takes away a batch of the log's beginning, and notes where it begins then; answers how many entries that were. */
export function pruneBatch(database: Database, key: InstanceKey, before: Date): Promise<{ pruned: bigint }[]> {
  return database.transaction(async (db) => {
    const [head] = await store.waitForHead({ db }, {});
    if (head === undefined) return [];
    await store.allowPruning({ db }, {});
    const [last] = await store.pruneEntries({ db }, { before });
    if (last === undefined) return [];
    const beginning = { firstHash: last.hash, prunedSequence: last.sequence };
    await store.moveBeginning({ db }, { ...beginning, mac: macAfter(key, head, { ...head, ...beginning }) });
    return [{ pruned: last.pruned }];
  });
}
