import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { beginSignIn, finishSignIn } from "./passkey-sign-in.js";
import { beginRegistration, deletePasskey, finishRegistration, listPasskeys } from "./passkeys.js";
import { toSignedIn } from "./wire-sign-in.js";
import { toBegun, toPasskey } from "./wire-ways-in.js";

export const passkeyHandlers = {
  async beginRegistration(_, ctx) {
    return toBegun(await beginRegistration(ctx));
  },

  async finishRegistration(request, ctx) {
    const { challengeId, credential, name } = request;
    const passkey = await finishRegistration(ctx, { challengeId, credential: credential!, name });
    return { passkey: toPasskey(passkey) };
  },

  async beginSignIn(_, ctx) {
    return toBegun(await beginSignIn(ctx));
  },

  async finishSignIn(request, ctx) {
    const { challengeId, credential, cookie, deviceName } = request;
    return toSignedIn(await finishSignIn(ctx, { challengeId, credential: credential!, cookie, deviceName }));
  },

  async listPasskeys(request, ctx) {
    const { passkeys, nextPageToken } = await listPasskeys(ctx, request);
    return { passkeys: passkeys.map(toPasskey), nextPageToken };
  },

  async deletePasskey(request, ctx) {
    await deletePasskey(ctx, request.id);
    return {};
  },
} satisfies Partial<Handlers<typeof AuthService>>;
