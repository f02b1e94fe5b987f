import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { toAccount } from "../accounts/index.js";
import { grantRole, revokeRole } from "./roles.js";

/** The RPCs of AuthService about what accounts may do. */
export const roleHandlers = {
  async grantRole(request, ctx) {
    return { account: toAccount({ account: await grantRole(ctx, request), whole: true }) };
  },

  async revokeRole(request, ctx) {
    return { account: toAccount({ account: await revokeRole(ctx, request), whole: true }) };
  },
} satisfies Partial<Handlers<typeof AuthService>>;
