import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { listDevices, revokeDevice, revokeOtherDevices } from "./devices.js";
import { toDevice } from "./wire-device.js";

/** The RPCs of AuthService about where an account is signed in. */
export const deviceHandlers = {
  async listDevices(request, ctx) {
    const { devices, nextPageToken } = await listDevices(ctx, request);
    return { devices: devices.map(toDevice), nextPageToken };
  },

  async revokeDevice(request, ctx) {
    await revokeDevice(ctx, request.deviceId);
    return {};
  },

  async revokeOtherDevices(_, ctx) {
    return { revokedCount: await revokeOtherDevices(ctx) };
  },
} satisfies Partial<Handlers<typeof AuthService>>;
