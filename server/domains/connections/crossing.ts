import { type Meetings, meetings } from "../../kernel/meetings.js";
import type { Database } from "../../platform/db/index.js";
import type { NewConnection, Put } from "./store-put.js";

const crossings = new WeakMap<Database, Meetings>();

/**
 * Makes a connection; `crossed` when the peer may have made his to the owner meanwhile, by this node: neither statement sees the
 * other then.
 */
export async function whileCrossing(
  ctx: { readonly database: Database },
  { accountId, type, peerId }: NewConnection,
  make: () => Promise<Put>,
): Promise<{ put: Put; crossed: boolean }> {
  const known = crossings.get(ctx.database) ?? meetings();
  crossings.set(ctx.database, known);
  const pair = [accountId, peerId].sort().join(" ");
  const { result: put, met: crossed } = await known.during(`${pair} ${type}`, make);
  return { put, crossed };
}
