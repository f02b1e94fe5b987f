import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { serve } from "../../manifest.js";
import { toAccount } from "../accounts/index.js";
import { changeSecret } from "./change-secret.js";
import { anonymousHandlers } from "./handler-anonymous.js";
import { apiKeyHandlers } from "./handler-api-keys.js";
import { auditHandlers } from "./handler-audit.js";
import { codeHandlers } from "./handler-codes.js";
import { deviceHandlers } from "./handler-devices.js";
import { oauthHandlers } from "./handler-oauth.js";
import { passkeyHandlers } from "./handler-passkeys.js";
import { roleHandlers } from "./handler-roles.js";
import { totpHandlers } from "./handler-totp.js";
import { refresh } from "./refresh.js";
import * as service from "./service.js";
import { startSession } from "./session.js";
import { signIn } from "./sign-in.js";
import { toSignedIn, toTokens } from "./wire-sign-in.js";

export const authHandler = serve(AuthService, {
  ...auditHandlers,
  ...apiKeyHandlers,
  ...deviceHandlers,
  ...codeHandlers,
  ...totpHandlers,
  ...anonymousHandlers,
  ...roleHandlers,
  ...passkeyHandlers,
  ...oauthHandlers,

  async signIn(request, ctx) {
    const signedIn = await signIn(ctx, request);
    const { account, deviceToken } = signedIn;
    if ("tokens" in signedIn) return { ...toSignedIn(signedIn), deviceToken };
    return { account: toAccount({ account, whole: true }), deviceToken };
  },

  async refresh(request, ctx) {
    return { tokens: toTokens(await refresh(ctx, request.refreshToken)) };
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
