import type { Ports, Presence } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { ConflictError, type Db } from "../../platform/db/index.js";
import { describe } from "./describe.js";
import { tellPresence } from "./events.js";
import { type Change, createPlaces } from "./places.js";
import * as store from "./store-presence.js";

/** So many places are written at once, and so long, in milliseconds, others gather meanwhile. */
const BATCH = 1_000;
const SPACING = 100;
/** How often a node says that it lives, and looks whose grace, or node, is past. */
const RENEW_EVERY = 3_000;
const LOOK_EVERY = 1_000;
/** When the database is asked again after it failed. */
const RETRY_AFTER = 1_000;

/** The presence of this node. */
export interface NodePresence extends Presence {
  start(): Promise<void>;
  /**
   * Closes everything that is open on this node. To the others that is a reconnect: nobody hears of it when the people come
   * back, here or elsewhere, within their grace.
   */
  stop(): Promise<void>;
}

export interface PresenceParts extends Pick<Ports, "database" | "events" | "ids" | "clock" | "log"> {
  /** Milliseconds for which somebody is still there. */
  grace: number;
}

/**
 * Keeps who is where in the database, which all nodes share. Counts are kept here; only the first and the last stream or
 * socket of an account in a topic is written, many at once, and lost on no failure. Nodes count one after the other, under a
 * lock, so exactly one of them finds that somebody was nowhere before, or is nowhere any more, and tells it. A crash of the
 * database forgets who is where: the nodes write it again and tell nothing, but who was in his grace leaves without a word.
 * What was written without an answer is told when it is written again; of somebody who left meanwhile only that is told.
 */
export function createPresence(parts: PresenceParts): NodePresence {
  const { database, ids, log, grace } = parts;
  let node = ids.next();
  let stopped = true;
  let timer: NodeJS.Timeout | undefined;
  let wakeAt = Number.POSITIVE_INFINITY;
  let turn: Promise<void> | undefined;
  let flushAt = 0;
  let renewAt = 0;
  let lookAt = 0;
  /** Whether what this node holds may stand in the database by a name it had before. */
  let isRewriting = false;
  const places = createPlaces(() => wake(flushAt));

  const wake = (at: number) => {
    if (stopped || turn !== undefined || wakeAt <= at) return;
    clearTimeout(timer);
    wakeAt = at;
    timer = setTimeout(run, Math.max(0, at - performance.now())).unref();
  };

  const run = () => {
    wakeAt = Number.POSITIVE_INFINITY;
    turn = work()
      .then(
        () => (places.hasChanges() ? flushAt : Math.min(renewAt, lookAt)),
        (error) => {
          complain(error);
          flushAt = performance.now() + RETRY_AFTER;
          return flushAt;
        },
      )
      .then((next) => {
        turn = undefined;
        wake(next);
      });
  };

  const complain = (error: unknown) => {
    // A database that is away, and rows that were fought over, are nothing to look into.
    if (error instanceof DomainError || error instanceof ConflictError) return;
    log.error(describe(error), "presence was not written; it is tried again");
  };

  const work = async () => {
    if (places.hasChanges() || performance.now() >= renewAt) await flush();
    // A node never tells that its own people are gone: those it has not rewritten yet look like those of a dead one.
    if (performance.now() >= lookAt && !isRewriting) await look();
  };

  /** Writes what has changed, and that this node lives. */
  const flush = async () => {
    const began = performance.now();
    const wasRewriting = isRewriting;
    const changes = places.take(BATCH);
    try {
      const came = await inTurn(async (at) => {
        places.trying(changes, await renew(at));
        return write(at, changes);
      });
      places.written(changes);
      tellPresence(parts, "presence.join", came);
    } catch (error) {
      places.failed(changes);
      throw error;
    }
    if (wasRewriting && changes.length < BATCH) isRewriting = false;
    flushAt = changes.length < BATCH ? began + SPACING : began;
    renewAt = began + RENEW_EVERY;
    if (changes.some(({ isHere }) => !isHere)) lookAt = Math.min(lookAt, performance.now() + grace);
  };

  /** Answers when that was, by the database's clock. */
  const renew = async (at: { db: Db }): Promise<string> => {
    const { lease, now } = (await store.renewNode(at, { node }))[0]!;
    if (lease === "made") places.rewrite({ asNew: false });
    if (lease !== "dead") return now;
    // The others have seen it die, or will. What it was cannot come back; what it holds is there anew, and told where the
    // others have told that it is gone.
    node = ids.next();
    isRewriting = true;
    places.rewrite({ asNew: true });
    await store.renewNode(at, { node });
    return now;
  };

  const write = async (at: { db: Db }, changes: readonly Change[]): Promise<store.PlaceRow[]> => {
    const here = changes.filter(({ isHere }) => isHere).map(({ place }) => place);
    const left = changes.filter(({ isHere }) => !isHere).map(({ place }) => place);
    if (left.length > 0) await store.leavePresences(at, { node, ...columns(left) });
    if (here.length === 0) return [];
    const data = here.map((place) => place.data);
    const told = here.map(({ isTold }) => (isTold ? "t" : "f"));
    const tried = here.map(({ triedAt }) => triedAt);
    return store.enterPresences(at, { node, ...columns(here), data, told, tried });
  };

  /** Removes those whose grace is past, and those of dead nodes. */
  const look = async () => {
    lookAt = performance.now() + LOOK_EVERY;
    while ((await store.isSweepDue({ db: database }, { grace, node }))[0]!.isDue) {
      const gone = await inTurn((at) => store.sweepPresences(at, { grace, node, limit: BATCH }));
      tellPresence(parts, "presence.leave", gone);
    }
  };

  const inTurn = <T>(change: (at: { db: Db }) => Promise<T>): Promise<T> =>
    database.transaction(async (db) => {
      await store.lockPresences({ db }, {});
      return change({ db });
    });

  return {
    enter: places.enter,
    async start() {
      stopped = false;
      run();
      await turn;
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      clearTimeout(timer);
      await turn;
      try {
        await inTurn((at) => store.leaveNode(at, { node }));
        if (grace === 0) await look();
      } catch (error) {
        // The lease ends by itself.
        log.warn(describe(error), "presence was left for others to clear");
      }
    },
  };
}

function columns(places: readonly { topic: string; accountId: string }[]): { topics: string[]; accountIds: string[] } {
  return { topics: places.map(({ topic }) => topic), accountIds: places.map(({ accountId }) => accountId) };
}
