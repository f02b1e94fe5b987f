import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { requestSecretReset, resetSecret } from "./secret-reset.js";
import { requestVerification, verify } from "./verification.js";

/** The RPCs of AuthService about codes that are sent by mail. */
export const codeHandlers = {
  async requestSecretReset(request, ctx) {
    await requestSecretReset(ctx, request.login);
    return {};
  },

  async resetSecret(request, ctx) {
    await resetSecret(ctx, request);
    return {};
  },

  async requestVerification(_, ctx) {
    await requestVerification(ctx);
    return {};
  },

  async verify(request, ctx) {
    await verify(ctx, request);
    return {};
  },
} satisfies Partial<Handlers<typeof AuthService>>;
