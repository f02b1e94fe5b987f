import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type HistoryEntry, HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { withFields } from "../conditions.js";
import { ownChange } from "../exact.js";
import { listing } from "../listing.js";
import { checkSelect, only, page, record } from "../record.js";
import { type CompatRule, compatRule } from "../rule.js";
import { milliseconds } from "../time.js";

/** Columns of bk_history that can make a condition. */
const COLUMNS = { id: "id", type: "type", mtime: "create_time" } as const;

/** An entry as bk_history shows it; `data` is text, or what a JSON body gave. */
function historyRecord(entry: HistoryEntry | undefined): object {
  if (entry === undefined) return {};
  const { id, type, data, createTime } = entry;
  return record({ id, type, data: data && toJson(ValueSchema, data), mtime: milliseconds(createTime) });
}

export const historyRules: readonly CompatRule[] = [
  compatRule("/history/add", HistoryService.method.appendHistory, {
    free: ["data"],
    ask: (given) => {
      ownChange(given);
      return { type: given.text("type"), data: given.value("data") };
    },
    reply: ({ entry }) => historyRecord(entry),
  }),

  compatRule("/history/get", HistoryService.method.listHistory, {
    rows: "entries",
    ask: (given) => {
      checkSelect(given, [...Object.keys(COLUMNS), "data"]);
      return withFields(listing(given, COLUMNS, { unsearched: ["data"] }), { type: "type" });
    },
    reply: ({ entries, nextPageToken }, given) =>
      page(
        entries.map((entry) => only(historyRecord(entry), given)),
        nextPageToken,
      ),
  }),
];
