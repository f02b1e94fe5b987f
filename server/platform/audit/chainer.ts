import { DomainError } from "../../kernel/errors.js";
import type { InstanceKey } from "../../kernel/instance-key.js";
import type { Database } from "../db/db.js";
import { describeError, type Log } from "../log.js";
import { entryHash } from "./entry-hash.js";
import { type Head, isCurrent, isGenuine, macAfter } from "./head.js";
import * as store from "./store.js";
import { readHead } from "./store-read.js";

/** Entries of one transaction. */
const BATCH = 500;
/** Milliseconds between two batches while entries keep coming: those that come in between travel together. */
const SPACING = 50;
/** Milliseconds until the next look, after there was something to do and when there was nothing. */
const SOON = 250;
const LATER = 1_000;

export interface ChainerParts {
  database: Database;
  key: InstanceKey;
  log: Log;
}

/** What gives entries their places. */
export interface Chainer {
  start(): void;
  stop(): Promise<void>;
  /** Says that an entry is committed. */
  wake(): void;
}

/**
 * Moves entries from the inbox to the log. Any number of nodes do so: the lock on the head's row lets one at a time, and moving is
 * one transaction, so that who dies has moved a batch or nothing.
 */
export function chainer({ database, key, log }: ChainerParts): Chainer {
  let stopped = true;
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> | undefined;
  let woken = false;
  let lastTurn = 0;
  let told = false;

  /** A log that somebody else has written in goes on, and is never found whole again. */
  const tellForged = (head: Head) => {
    if (told || isGenuine(key, head)) return;
    told = true;
    log.error({ sequence: String(head.lastSequence) }, "the audit log's head was not written by this installation");
  };

  /** Answers how many entries have got their places; undefined when another node is at it. */
  const chainBatch = (): Promise<number | undefined> =>
    database.transaction(async (db) => {
      const [head] = await store.takeHead({ db }, {});
      if (head === undefined) return undefined;
      tellForged(head);
      const entries = await store.readInbox({ db }, { limit: BATCH });
      if (entries.length === 0) return 0;
      const hashes: string[] = [];
      let { lastSequence, lastHash } = head;
      for (const entry of entries) {
        lastSequence += 1n;
        lastHash = entryHash(lastHash, lastSequence, entry);
        hashes.push(lastHash.toString("hex"));
      }
      const mac = macAfter(key, head, { ...head, lastSequence, lastHash });
      const seqs = entries.map(({ seq }) => String(seq));
      const after = head.lastSequence;
      const [added] = await store.appendEntries({ db }, { seqs, hashes, after, lastSequence, lastHash, mac });
      if (Number(added?.count) !== entries.length) throw new Error("entries left the audit log's inbox meanwhile");
      return entries.length;
    });

  /** After the instance key has changed, its previous secret must be free to go, also while nothing happens. */
  const signAnew = (): Promise<void> =>
    database.transaction(async (db) => {
      const [head] = await store.takeHead({ db }, {});
      if (head === undefined || isCurrent(key, head) || !isGenuine(key, head)) return;
      await store.signHead({ db }, { mac: macAfter(key, head, head) });
    });

  /** Answers how long it is until the next look. */
  const look = async (): Promise<number> => {
    if (!woken) {
      const [head] = await readHead({ db: database }, {});
      if (head === undefined) throw new Error("the audit log has no head");
      tellForged(head);
      if (!isCurrent(key, head)) await signAnew();
      if (!head.waits) return LATER;
    }
    woken = false;
    const count = await chainBatch();
    return count === BATCH ? 0 : SOON;
  };

  const run = () => {
    timer = undefined;
    turn = look()
      .catch((error) => {
        // The inbox keeps everything; the next look tries again.
        if (!(error instanceof DomainError)) log.error(describeError(error), "the audit log cannot be added to");
        return LATER;
      })
      .then((delay) => {
        turn = undefined;
        lastTurn = performance.now();
        if (!stopped) timer = setTimeout(run, woken ? SPACING : delay).unref();
      });
  };

  return {
    start() {
      stopped = false;
      run();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turn;
    },
    wake() {
      if (stopped || woken) return;
      woken = true;
      if (turn !== undefined) return;
      clearTimeout(timer);
      timer = setTimeout(run, Math.max(0, lastTurn + SPACING - performance.now())).unref();
    },
  };
}
