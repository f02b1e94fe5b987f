import { toJson } from "@bufbuild/protobuf";
import { BlockedSchema } from "#gen/backstay/connections/v1/connections_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { ownBlocks } from "./export.js";
import { toBlocked } from "./wire.js";

/** Whom an account has blocked. */
export async function* exportBlocks(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  for await (const row of ownBlocks(ctx, accountId)) {
    yield { kind: "block", record: toJson(BlockedSchema, toBlocked(row)) as ExportedRecord["record"] };
  }
}
