import { toJson } from "@bufbuild/protobuf";
import { type Connection, ConnectionSchema } from "#gen/backstay/connections/v1/connections_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { madeConnections, receivedConnections } from "./export.js";
import { toConnection } from "./wire.js";

/** What an account has connected to, and what has connected to it. */
export async function* exportConnections(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  for await (const row of madeConnections(ctx, accountId)) yield toRecord("connection", toConnection(row));
  for await (const row of receivedConnections(ctx, accountId)) yield toRecord("reference", toConnection(row));
}

function toRecord(kind: string, connection: Connection): ExportedRecord {
  return { kind, record: toJson(ConnectionSchema, connection) as ExportedRecord["record"] };
}
