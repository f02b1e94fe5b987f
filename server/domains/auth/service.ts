import type { Ctx, Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { type AccountRow, callerAccount, fetchAccount, hasAdmin, makeAccount } from "../accounts/index.js";
import { revokeFamily } from "./revoke.js";
import { signInOfCookie } from "./session.js";
import * as store from "./store.js";
import { newToken, tokenHash } from "./tokens.js";

const SETUP_TTL = 30 * 60_000;

export async function signOut(ctx: Ctx): Promise<void> {
  const accountId = callerAccount(ctx);
  const { familyId: own, via } = ctx.caller.kind === "account" ? ctx.caller : {};
  // Whoever holds a token may end it from wherever; the browser's own session is not for another site's page to end.
  if (via === "token" && own !== undefined && ctx.session.isForeign) return endSignIn(ctx, accountId, own);
  ctx.session.check();
  const browser = await signInOfCookie(ctx);
  if (own !== undefined) await endSignIn(ctx, accountId, own);
  // Whoever signs out at a browser is to leave nobody signed in there, himself or another.
  if (browser !== undefined && browser.familyId !== own) await endSignIn(ctx, browser.accountId, browser.familyId);
  ctx.session.clear();
}

function endSignIn(ctx: Ctx, accountId: string, familyId: string): Promise<void> {
  return ctx.transaction(
    async (tx) => {
      await revokeFamily(tx, familyId);
      await tx.audit.record(tx, { type: "sign_out", accountId, detail: { device: familyId } });
    },
    { retry: 3 },
  );
}

export async function getCurrent(ctx: Ctx): Promise<{ account: AccountRow; roles: readonly string[]; via: string }> {
  const account = await fetchAccount(ctx, callerAccount(ctx));
  const via = ctx.caller.kind === "account" ? ctx.caller.via : "";
  return { account, roles: account.roles, via };
}

/** The token of a setup link, or undefined when the installation has an administrator. */
export async function offerSetup(ports: Ports): Promise<string | undefined> {
  if (await hasAdmin({ db: ports.database })) return undefined;
  const token = newToken("setup");
  const at = ports.clock.now();
  await store.insertSetup(
    { db: ports.database },
    { id: ports.ids.next(), hash: tokenHash("setup", token)!, at, expiresAt: new Date(at.getTime() + SETUP_TTL) },
  );
  return token;
}

export async function completeSetup(
  ctx: Ctx,
  input: { setupToken: string; login: string; secret: string; name: string },
): Promise<AccountRow> {
  const hash = tokenHash("setup", input.setupToken);
  if (hash === undefined) throw invalidToken();
  return ctx.transaction(async (tx) => {
    const taken = await store.takeSetup(tx, { hash, at: ctx.clock.now() });
    if (taken.length === 0 || (await hasAdmin(tx))) throw invalidToken();
    const { login, secret, name } = input;
    const nothing = { alias: "", email: "", phone: "", gender: "", birthday: "", address: "" };
    return makeAccount(tx, { ...nothing, login, secret, name, roles: ["admin"], signatures: false });
  });
}

function invalidToken(): DomainError {
  return new DomainError("INVALID_TOKEN");
}
