import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ConnectionSchema, type Connection as WireConnection } from "#gen/backstay/connections/v1/connections_pb.js";
import { toAccount } from "../accounts/index.js";
import type { ConnectionRow } from "./store-row.js";

/** A connection on the wire; of the other account its public part. */
export function toConnection(row: ConnectionRow): WireConnection {
  const wire = create(ConnectionSchema);
  wire.peerId = row.peerId;
  wire.type = row.type;
  wire.properties = row.properties as JsonObject;
  wire.createTime = timestampFromDate(row.createdAt);
  wire.updateTime = timestampFromDate(row.updatedAt);
  if (row.account !== undefined) wire.account = toAccount({ account: row.account, whole: false });
  return wire;
}
