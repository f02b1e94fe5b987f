import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Blocked, BlockedSchema } from "#gen/backstay/connections/v1/connections_pb.js";
import type { BlockedRow } from "./store.js";

/** Somebody who is blocked, on the wire. */
export function toBlocked({ peerId, createdAt }: BlockedRow): Blocked {
  return create(BlockedSchema, { peerId, createTime: timestampFromDate(createdAt) });
}
