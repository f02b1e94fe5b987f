import type { Ctx } from "../../context.js";
import { parseId } from "../../kernel/ids.js";
import { ConflictError, ConstraintError, retried } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import { countersOfAllMoved } from "../counters/index.js";
import * as store from "./store-delete.js";

const RETRY = 3;

/** Deletes connections the caller has made: to a peer, of a type, of both, or all; answers how many. */
export async function deleteConnections(ctx: Ctx, input: { peerId: string; type: string }): Promise<number> {
  const accountId = callerAccount(ctx);
  const peerId = input.peerId === "" ? undefined : parseId(input.peerId);
  // Nothing leads to whom an id cannot name.
  if (input.peerId !== "" && peerId === undefined) return 0;
  const which = { accountId, peerId, type: input.type || undefined };
  const peers =
    (await deleteFew(ctx, which)) ?? (await ctx.transaction((tx) => deleteMany(tx, which), { retry: RETRY }));
  if (peers.length === 0) return 0;
  countersOfAllMoved(ctx, [accountId, ...new Set(peers)]);
  ctx.afterCommit(() => ctx.events.wake());
  return peers.length;
}

/** Deletes them by one statement; answers their peers. Deletes none when they are too many for one. */
async function deleteFew(ctx: Ctx, which: store.Which): Promise<string[] | undefined> {
  const isOne = which.peerId !== undefined && which.type !== undefined;
  const deletion = { ...which, ...telling(ctx, isOne ? 1 : store.BATCH) };
  const rows = await retried(() => store.deleteFew(ctx, deletion).catch(rethrowMet));
  if (rows[0]!.found > store.BATCH) return undefined;
  return rows.map(({ peerId }) => peerId).filter((peerId) => peerId !== null);
}

/** Deletes them by many statements that are kept together. All are locked first: nobody locks one after a counter. */
async function deleteMany(ctx: Ctx, which: store.Which): Promise<string[]> {
  const { accountId } = which;
  const locked = await store.lockAll(ctx, which);
  const peers: string[] = [];
  for (let at = 0; at < locked.length; at += store.BATCH) {
    const batch = locked.slice(at, at + store.BATCH);
    const [types, peerIds] = [batch.map(({ type }) => type), batch.map(({ peerId }) => peerId)];
    const deletion = { accountId, types, peerIds, ...telling(ctx, batch.length) };
    const gone = await store.deleteLocked(ctx, deletion).catch(rethrowMet);
    for (const { peerId } of gone) peers.push(peerId);
  }
  return peers;
}

function telling(ctx: Ctx, most: number): store.Telling {
  return { eventIds: Array.from({ length: most }, () => ctx.ids.next()), at: ctx.clock.now() };
}

/** A peer was there when the statement began, and was deleted while it waited: done again, it finds no peer. */
function rethrowMet(error: unknown): never {
  if (error instanceof ConstraintError && error.kind === "foreign_key") throw new ConflictError();
  throw error;
}
