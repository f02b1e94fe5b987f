import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { linkIdentity, listIdentities, unlinkIdentity } from "./identities.js";
import { finishOAuth, startOAuth } from "./oauth.js";
import { toSignedIn } from "./wire-sign-in.js";
import { toAuthenticator, toIdentity } from "./wire-ways-in.js";

export const oauthHandlers = {
  async startOAuth(request, ctx) {
    const { url, flowToken, expiresAt } = await startOAuth(ctx, request);
    return { url, flowToken, expireTime: timestampFromDate(expiresAt) };
  },

  async finishOAuth(request, ctx) {
    const signedIn = await finishOAuth(ctx, request);
    return { ...toSignedIn(signedIn), created: signedIn.created };
  },

  async listIdentities(request, ctx) {
    const { identities, nextPageToken, authenticator } = await listIdentities(ctx, request);
    return {
      identities: identities.map(toIdentity),
      nextPageToken,
      ...(authenticator && { authenticator: toAuthenticator(authenticator) }),
    };
  },

  async linkIdentity(request, ctx) {
    return { identity: toIdentity(await linkIdentity(ctx, request)) };
  },

  async unlinkIdentity(request, ctx) {
    await unlinkIdentity(ctx, request.id);
    return {};
  },
} satisfies Partial<Handlers<typeof AuthService>>;
