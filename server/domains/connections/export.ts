import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import { listMade, listReceived } from "./store-export.js";
import type { ConnectionRow } from "./store-row.js";

/** Every connection an account has made, by type. */
export function madeConnections(ctx: ExportCtx, accountId: string): AsyncIterable<ConnectionRow> {
  return readSide(ctx, accountId, listMade);
}

/** Every connection to an account that it sees, or would see if it blocked nobody, by type. */
export function receivedConnections(ctx: ExportCtx, accountId: string): AsyncIterable<ConnectionRow> {
  return readSide(ctx, accountId, listReceived);
}

function readSide(ctx: ExportCtx, accountId: string, list: typeof listMade): AsyncIterable<ConnectionRow> {
  return readAll((last: ConnectionRow | undefined, limit) =>
    list(ctx, {
      accountId,
      afterType: last?.type,
      afterAt: last?.createdAt,
      afterPeer: last?.peerId,
      limit,
    }),
  );
}
