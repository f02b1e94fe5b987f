import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { confirmTotp, disableTotp, enrollTotp, regenerateRecoveryCodes } from "./totp.js";

/** The RPCs of AuthService about authenticator apps. */
export const totpHandlers = {
  enrollTotp: (_, ctx) => enrollTotp(ctx),

  async confirmTotp(request, ctx) {
    return { recoveryCodes: await confirmTotp(ctx, request.code) };
  },

  async disableTotp(request, ctx) {
    await disableTotp(ctx, request);
    return {};
  },

  async regenerateRecoveryCodes(request, ctx) {
    return { recoveryCodes: await regenerateRecoveryCodes(ctx, request.code) };
  },
} satisfies Partial<Handlers<typeof AuthService>>;
