import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { fromTimestamp } from "../../kernel/timestamp.js";
import { serve } from "../../manifest.js";
import { listHistory } from "./list.js";
import { appendHistory } from "./service.js";
import { fromValue, toEntry } from "./wire.js";

export const historyHandler = serve(HistoryService, {
  async appendHistory(request, ctx) {
    const data = request.data && fromValue(request.data);
    return { entry: toEntry(await appendHistory(ctx, { type: request.type, data })) };
  },

  async listHistory(request, ctx) {
    const since = request.since && fromTimestamp(request.since);
    const { entries, nextPageToken } = await listHistory(ctx, { ...request, since });
    return { entries: entries.map(toEntry), nextPageToken };
  },
});
