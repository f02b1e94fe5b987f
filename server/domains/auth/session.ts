import type { Ctx } from "../../context.js";
import { callerAccount } from "../accounts/index.js";
import { callerGone, writeOf } from "./account-gone.js";
import { forgetCallers } from "./callers.js";
import { noteRight } from "./known-proofs.js";
import * as store from "./store.js";
import { newToken, tokenHash } from "./tokens.js";

/** A session cookie, in the only moment it is known. */
export interface NewSession {
  value: string;
  row: store.NewCookie;
}

/** Gives the caller's browser a cookie; answers when it ends. */
export async function startSession(ctx: Ctx): Promise<Date> {
  ctx.session.check();
  const accountId = callerAccount(ctx);
  const from = ctx.caller.kind === "account" ? ctx.caller : undefined;
  const at = ctx.clock.now();
  const familyEnd = at.getTime() + ctx.settings.auth.refreshMaxTtl;
  const session = drawCookie(ctx, familyEnd);
  const family = { familyId: ctx.ids.next(), familyExpiresAt: new Date(familyEnd) };
  const device = { deviceName: ctx.client.userAgent, method: "session", address: ctx.client.address };
  const origin = { fromFamilyId: from?.familyId, fromSecretMark: from?.secretMark };
  const open = async (tx: Ctx): Promise<Date> => {
    const [made] = await store.insertSession(tx, { ...session.row, ...family, ...device, ...origin, accountId, at });
    if (made === undefined) throw callerGone(ctx);
    await replaceSession(tx, { ...session, row: { ...session.row, cookieExpiresAt: made.expiresAt } });
    await tx.audit.record(tx, {
      type: "sign_in.ok",
      accountId,
      detail: { method: device.method, device: family.familyId },
    });
    return made.expiresAt;
  };
  return writeOf(ctx, accountId, () => ctx.transaction(open, { retry: 3 }));
}

/** A cookie that ends in its own time, or at `end` in milliseconds when that comes first. */
export function drawCookie(ctx: Ctx, end: number): NewSession {
  const value = newToken("cookie");
  const expires = Math.min(ctx.clock.now().getTime() + ctx.settings.auth.sessionTtl, end);
  const row = {
    cookieId: ctx.ids.next(),
    cookieHash: tokenHash("cookie", value)!,
    cookieExpiresAt: new Date(expires),
  };
  return { value, row };
}

/**
 * Sends the cookie with the answer, once it is committed. The one it takes the place of stops working, wherever it came from: nobody but a thief
 * would still hold it. The tokens of that sign-in stay, as other programs of the same person may use them.
 */
export async function replaceSession(ctx: Ctx, { value, row }: NewSession): Promise<void> {
  const before = sentHash(ctx);
  const replaced = before === undefined ? [] : await store.deleteCookie(ctx, { hash: before });
  ctx.afterCommit(() => {
    if (replaced.length > 0) forgetCallers(ctx);
    noteRight(ctx, { by: "cookie", text: value });
    ctx.session.set(value, row.cookieExpiresAt.getTime() - ctx.clock.now().getTime());
  });
}

/** The sign-in of the cookie that came with the call, which may be another account's. */
export async function signInOfCookie(ctx: Ctx): Promise<{ accountId: string; familyId: string } | undefined> {
  const hash = sentHash(ctx);
  return hash === undefined ? undefined : (await store.findCaller(ctx, { hash, kind: "cookie" }))[0];
}

function sentHash(ctx: Ctx): Buffer | undefined {
  const { sent } = ctx.session;
  return sent === undefined ? undefined : tokenHash("cookie", sent);
}
