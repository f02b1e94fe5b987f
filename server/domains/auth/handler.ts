import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { serve } from "../../manifest.js";
import { toAccount } from "../accounts/index.js";
import { changeSecret } from "./change-secret.js";
import type { TokenPair } from "./service.js";
import * as service from "./service.js";
import { startSession } from "./session.js";

export const authHandler = serve(AuthService, {
  async signIn(request, ctx) {
    const { account, tokens, deviceId } = await service.signIn(ctx, request);
    return { account: toAccount({ account, whole: true }), tokens: toTokens(tokens), deviceId };
  },

  async refresh(request, ctx) {
    return { tokens: toTokens(await service.refresh(ctx, request.refreshToken)) };
  },

  async startSession(_, ctx) {
    return { expireTime: timestampFromDate(await startSession(ctx)) };
  },

  async changeSecret(request, ctx) {
    await changeSecret(ctx, request);
    return {};
  },

  async signOut(_, ctx) {
    await service.signOut(ctx);
    return {};
  },

  async getCurrent(_, ctx) {
    const { account, roles, via } = await service.getCurrent(ctx);
    return { account: toAccount({ account, whole: true }), roles: [...roles], via };
  },

  async completeSetup(request, ctx) {
    const account = await service.completeSetup(ctx, request);
    return { account: toAccount({ account, whole: true }) };
  },
});

function toTokens(pair: TokenPair) {
  return {
    accessToken: pair.accessToken,
    accessExpireTime: timestampFromDate(pair.accessExpiresAt),
    refreshToken: pair.refreshToken,
    refreshExpireTime: timestampFromDate(pair.refreshExpiresAt),
  };
}
