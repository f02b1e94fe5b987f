import type { Ports } from "../../context.js";
import type { Db } from "../../platform/db/index.js";
import { type ConnectionKey, type ConnectionKeys, eraseLocked, lockNamed } from "./store-erase.js";

/** Who is not told of what goes: some, or nobody is told. */
export type Unheard = readonly string[] | "all";

/**
 * Erases connections that were found of an account, with what they are counted by, in the caller's transaction; answers the other
 * account of each. All are locked first, so that the counters are seen as whoever had one of them has left them.
 */
export async function eraseFound(
  ctx: Pick<Ports, "clock" | "ids"> & { readonly db: Db },
  accountId: string,
  found: readonly ConnectionKey[],
  unheard: Unheard = [],
): Promise<string[]> {
  const locked = await lockNamed(ctx, keysOf(found));
  const made = unheard === "all" ? [] : locked.filter((key) => key.accountId === accountId);
  const gone = await eraseLocked(ctx, {
    accountId,
    unheard: unheard === "all" ? [] : [...unheard],
    eventIds: made.map(() => ctx.ids.next()),
    at: ctx.clock.now(),
    ...keysOf(locked),
  });
  return gone.map(({ otherId }) => otherId);
}

function keysOf(rows: readonly ConnectionKey[]): ConnectionKeys {
  return {
    accountIds: rows.map(({ accountId }) => accountId),
    types: rows.map(({ type }) => type),
    peerIds: rows.map(({ peerId }) => peerId),
  };
}
