import type { Ctx, EraseCtx } from "../../context.js";
import { forgetCallers } from "./callers.js";
import { publishRevocation, type Revocation, revocationEvent } from "./revocation.js";
import { forgetSigners } from "./signature.js";
import * as store from "./store.js";

const MOST_LOOKS = 5;

/** Ends one sign-in: its tokens, its cookie and its streams. */
export async function revokeFamily(ctx: Ctx, familyId: string): Promise<void> {
  await untilGone(() => store.deleteFamily(ctx, { familyId, ...revocationEvent(ctx, { familyId }) }));
  ctx.afterCommit(() => forget(ctx, { familyId }));
}

/** Ends all sign-ins of an account but the caller's own, and every stream that a signature opened. */
export async function revokeOthers(ctx: Ctx, accountId: string): Promise<void> {
  const own = ctx.caller.kind === "account" ? ctx.caller.familyId : undefined;
  const what = { accountId, ...(own !== undefined && { exceptFamilyId: own }) };
  await untilGone(() => store.deleteOthers(ctx, { accountId, familyId: own }));
  await store.tellRevoked(ctx, revocationEvent(ctx, what));
  ctx.afterCommit(() => forget(ctx, what));
}

/** What leaves with an account: its tokens (the table sees to that) and the streams they opened. */
export async function eraseTokens(ctx: EraseCtx, accountId: string): Promise<void> {
  await store.tellRevoked(ctx, revocationEvent(ctx, { accountId }));
  ctx.afterCommit(() => forget(ctx, { accountId }));
}

/** A pair that was being made while its family went is seen by the next look only. */
async function untilGone(remove: () => Promise<unknown[]>): Promise<void> {
  let gone = 1;
  for (let look = 0; look < MOST_LOOKS && gone > 0; look++) gone = (await remove()).length;
}

function forget(ctx: EraseCtx, what: Revocation): void {
  forgetCallers(ctx);
  if (what.accountId !== undefined) forgetSigners(ctx);
  publishRevocation(ctx.bus, what);
  ctx.events.wake();
}
