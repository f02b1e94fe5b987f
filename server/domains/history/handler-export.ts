import { toJson } from "@bufbuild/protobuf";
import { HistoryEntrySchema } from "#gen/backstay/history/v1/history_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { exportedEntries } from "./export.js";
import { toEntry } from "./wire.js";

/** Every entry of an account's history, oldest first. */
export async function* exportHistory(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  for await (const entry of exportedEntries(ctx, accountId)) {
    yield { kind: "entry", record: toJson(HistoryEntrySchema, toEntry(entry)) as ExportedRecord["record"] };
  }
}
