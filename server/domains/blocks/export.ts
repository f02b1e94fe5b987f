import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import { type BlockedRow, type ListedBlock, listBlocked } from "./store.js";

/** Whom an account has blocked, who was blocked first comes first. Who has blocked it is the others' alone. */
export function ownBlocks(ctx: ExportCtx, accountId: string): AsyncIterable<BlockedRow> {
  return readAll((last: ListedBlock | undefined, limit) =>
    listBlocked(ctx, { accountId, afterPlace: last?.place, afterId: last?.peerId, limit }),
  );
}
