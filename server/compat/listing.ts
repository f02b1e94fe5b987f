import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Filter } from "#gen/backstay/query/v1/query_pb.js";
import { type Columns, type ConditionOptions, conditions, isCondition } from "./conditions.js";
import type { Given } from "./given.js";

/** What the requests of lists have in common. */
export interface Listing {
  filters: Filter[];
  since?: Timestamp;
  descending: boolean;
  pageSize: number;
  pageToken: string;
}

/** The rows a request asks for: those that meet its conditions, newer than `mtime`, and which page of them. */
export function listing(
  given: Given,
  columns: Columns & { readonly mtime: string },
  options: Omit<ConditionOptions, "since"> = {},
): Listing {
  const filters = conditions(given, columns, { ...options, since: "mtime" });
  const isCompared = filters.some(({ column }) => column === columns.mtime);
  const since = !isCompared && isCondition(given, "mtime") ? given.time("mtime") : undefined;
  return {
    filters,
    ...(since && { since }),
    descending: given.yes("_desc"),
    pageSize: given.number("_count") ?? 0,
    pageToken: given.text("_token"),
  };
}
