import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import type { Entry } from "./service.js";
import { listEntries, type PlacedEntry } from "./store-list.js";

const list = listEntries({ ofType: false, descending: false });

/** Every entry of an account's history, oldest first. */
export function exportedEntries(ctx: ExportCtx, accountId: string): AsyncIterable<Entry> {
  return readAll((last: PlacedEntry | undefined, limit) =>
    list(ctx, {
      accountId,
      type: undefined,
      since: undefined,
      afterPlace: last?.place,
      afterId: last?.id,
      limit,
    }),
  );
}
