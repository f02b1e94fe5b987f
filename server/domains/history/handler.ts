import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { serve } from "../../manifest.js";

const pending = () => {
  throw new Error("pending");
};

export const historyHandler = serve(HistoryService, {
  appendHistory: pending,
  listHistory: pending,
});
