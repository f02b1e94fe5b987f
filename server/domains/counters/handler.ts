import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import { serve } from "../../manifest.js";
import { getCounters } from "./get.js";
import { incrementCounters } from "./increment.js";
import { putCounters } from "./put.js";
import { toCounters } from "./wire.js";

export const counterHandler = serve(CounterService, {
  async getCounters(request, ctx) {
    return { counters: toCounters(await getCounters(ctx, request)) };
  },

  async putCounters(request, ctx) {
    return { counters: toCounters(await putCounters(ctx, request)) };
  },

  async incrementCounters(request, ctx) {
    return { counters: toCounters(await incrementCounters(ctx, request)) };
  },
});
