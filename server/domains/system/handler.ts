import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { serve } from "../../manifest.js";
import * as service from "./service.js";

export const systemHandler = serve(SystemService, {
  ping: () => ({}),
  getInfo: (_, ctx) => service.getInfo(ctx),

  async getKeyStatus(_, ctx) {
    const { left, ...status } = await service.getKeyStatus(ctx);
    return { ...status, left: left.map(({ column, count }) => ({ column, count: BigInt(count) })) };
  },
});
