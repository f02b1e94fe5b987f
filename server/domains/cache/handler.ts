import { durationMs } from "@bufbuild/protobuf/wkt";
import { CacheService } from "#gen/backstay/cache/v1/cache_pb.js";
import { serve } from "../../manifest.js";
import * as service from "./service.js";
import { fromValue, toStats, toValue } from "./wire.js";

export const cacheHandler = serve(CacheService, {
  getStats(_, ctx) {
    return { caches: service.getStats(ctx).map(toStats) };
  },

  listKeys(request, ctx) {
    return service.listKeys(ctx, request);
  },

  get(request, ctx) {
    return { value: toValue(service.get(ctx, request)) };
  },

  put(request, ctx) {
    const ttlMs = request.ttl && Math.max(1, Math.round(durationMs(request.ttl)));
    service.put(ctx, { cache: request.cache, key: request.key, value: fromValue(request.value!), ttlMs });
    return {};
  },

  delete(request, ctx) {
    service.drop(ctx, request);
    return {};
  },

  increment(request, ctx) {
    return { value: service.increment(ctx, { cache: request.cache, key: request.key, by: request.by ?? 1 }) };
  },

  clear(request, ctx) {
    service.clear(ctx, request.cache);
    return {};
  },
});
