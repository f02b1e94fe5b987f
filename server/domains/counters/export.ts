import type { ExportCtx, ExportedRecord } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import { listCounters } from "./store-export.js";

/** An account's counters, each by its name. */
export async function* exportCounters(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  const rows = readAll((last: { name: string; value: bigint } | undefined, limit) =>
    listCounters(ctx, { accountId, after: last?.name ?? "", limit }),
  );
  // As proto JSON writes an int64.
  for await (const { name, value } of rows) yield { kind: "counter", record: { name, value: String(value) } };
}
