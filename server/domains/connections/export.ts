import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import { type ExportedConnection, listMade, listReceived } from "./store-export.js";
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
  return readAll((last: ExportedConnection | undefined, limit) =>
    list(ctx, {
      accountId,
      afterType: last?.type,
      afterPlace: last?.place,
      afterPeer: last?.peerId,
      limit,
    }),
  );
}
