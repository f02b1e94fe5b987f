import { toTimestampJson } from "../../kernel/timestamp.js";
import type { Entry } from "./service.js";

/** What `history.add` carries: the proto JSON of backstay.history.v1.HistoryEntry. */
export function entryAdded({ id, type, data, createdAt }: Entry): object {
  return {
    id,
    ...(type !== "" && { type }),
    ...(data !== null && { data: JSON.parse(data) }),
    createTime: toTimestampJson(createdAt),
  };
}
