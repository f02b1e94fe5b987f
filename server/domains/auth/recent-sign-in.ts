import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { findRecentSignIn } from "./store-devices.js";

/**
 * Makes sure that the caller has shown just now who he is, before something is done by which he would get in later, or keep others
 * out: whoever has got hold of a token could otherwise make the account his own. A signature shows it with each request. An API key
 * is no sign-in, but has `auth:write` only by name, from somebody who had one. Throws RECENT_SIGN_IN_REQUIRED.
 */
export async function checkRecentSignIn(ctx: Ctx): Promise<void> {
  const { caller, settings, clock } = ctx;
  const within = settings.auth.recentSignIn;
  if (within === 0 || caller.kind !== "account" || caller.familyId === undefined) return;
  const { accountId, familyId } = caller;
  const since = new Date(clock.now().getTime() - within);
  const found = await findRecentSignIn(ctx, { accountId, familyId, since });
  if (found.length === 0) throw new DomainError("RECENT_SIGN_IN_REQUIRED");
}
