import type { Ctx, EraseCtx } from "../../context.js";
import { voidSignatures } from "../accounts/index.js";
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

/**
 * Ends all sign-ins of an account but the caller's own, and every stream that a signature opened; answers how many
 * sign-ins that were.
 */
export async function revokeOthers(ctx: Ctx, accountId: string): Promise<number> {
  const own = ctx.caller.kind === "account" ? ctx.caller.familyId : undefined;
  return revokeAllBut(ctx, accountId, own);
}

/** Ends all sign-ins of an account, and every stream that a signature opened. */
export async function revokeAll(ctx: EraseCtx, accountId: string): Promise<void> {
  await revokeAllBut(ctx, accountId, undefined);
}

async function revokeAllBut(ctx: EraseCtx, accountId: string, own: string | undefined): Promise<number> {
  const what = { accountId, ...(own !== undefined && { exceptFamilyId: own }) };
  const ended = new Set<string>();
  await untilGone(async () => {
    const gone = await store.deleteOthers(ctx, { accountId, familyId: own, at: ctx.clock.now() });
    for (const { familyId, lived } of gone) if (lived) ended.add(familyId);
    return gone;
  });
  await voidSignatures(ctx, accountId);
  await tellAll(ctx, what);
  return ended.size;
}

/** Says that what an account may do has changed: it is known by that from now on, and streams it opened with more roles end. */
export async function tellRights(ctx: EraseCtx, accountId: string): Promise<void> {
  await tellAll(ctx, { accountId });
}

/** What leaves with an account: its tokens (the table sees to that) and the streams they opened. */
export async function eraseTokens(ctx: EraseCtx, accountId: string): Promise<void> {
  await tellAll(ctx, { accountId });
}

async function tellAll(ctx: EraseCtx, what: Revocation): Promise<void> {
  await store.tellRevoked(ctx, revocationEvent(ctx, what));
  ctx.afterCommit(() => forget(ctx, what));
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
