import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import { serve } from "../../manifest.js";

const pending = () => {
  throw new Error("pending");
};

export const counterHandler = serve(CounterService, {
  getCounters: pending,
  putCounters: pending,
  incrementCounters: pending,
});
