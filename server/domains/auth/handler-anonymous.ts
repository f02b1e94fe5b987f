import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { toAccount } from "../accounts/index.js";
import { signInAnonymously, upgradeAnonymous } from "./anonymous.js";
import { toSignedIn } from "./wire-sign-in.js";

/** The RPCs of AuthService about accounts without a login. */
export const anonymousHandlers = {
  async signInAnonymously(request, ctx) {
    return toSignedIn(await signInAnonymously(ctx, request));
  },

  async upgradeAnonymous(request, ctx) {
    return { account: toAccount({ account: await upgradeAnonymous(ctx, request), whole: true }) };
  },
} satisfies Partial<Handlers<typeof AuthService>>;
