import type { Ctx, Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { ConstraintError } from "../../platform/db/index.js";
import { type AccountRow, callerAccount, checkSecret, fetchAccount, hasAdmin, makeAccount } from "../accounts/index.js";
import { revokeFamily } from "./revoke.js";
import { drawCookie, familyOfCookie, replaceSession } from "./session.js";
import * as store from "./store.js";
import { childToken, newToken, tokenHash } from "./tokens.js";

/** A pair of tokens, in the only moment they are known. */
export interface TokenPair {
  accessToken: string;
  accessExpiresAt: Date;
  refreshToken: string;
  refreshExpiresAt: Date;
}

const SETUP_TTL = 30 * 60_000;

/** More exchanges than this within the grace are not a client that lost an answer. */
const MOST_CHILDREN = 4;

export async function signIn(
  ctx: Ctx,
  input: { login: string; secret: string; cookie: boolean },
): Promise<{ account: AccountRow; tokens: TokenPair; deviceId: string }> {
  if (input.cookie) ctx.session.check();
  const known = await checkSecret(ctx, input.login, input.secret);
  if (known === undefined) throw new DomainError("INVALID_CREDENTIALS");
  const account = await fetchAccount(ctx, known.accountId);
  const familyId = ctx.ids.next();
  const familyEnd = ctx.clock.now().getTime() + ctx.settings.auth.refreshMaxTtl;
  const tokens = drawPair(ctx, newToken("refresh"), familyEnd);
  const session = input.cookie ? drawCookie(ctx, familyEnd) : undefined;
  const cookie = session?.row ?? { cookieId: undefined, cookieHash: undefined, cookieExpiresAt: undefined };
  const family = { ...rowsOf(ctx, tokens), ...cookie, ...known, familyId, familyExpiresAt: new Date(familyEnd) };
  const made = await store.insertFamily(ctx, family).catch((error) => {
    // The account was there when the statement began, and was deleted while it waited.
    if (error instanceof ConstraintError && error.kind === "foreign_key") return [];
    throw error;
  });
  if (made.length === 0) throw new DomainError("INVALID_CREDENTIALS");
  if (session !== undefined) await replaceSession(ctx, session);
  return { account, tokens, deviceId: familyId };
}

export async function refresh(ctx: Ctx, refreshToken: string): Promise<TokenPair> {
  const parentHash = tokenHash("refresh", refreshToken);
  if (parentHash === undefined) throw invalidToken();
  const tokens = drawPair(ctx, childToken(ctx.key, refreshToken));
  const [exchanged] = await store.rotate(ctx, { ...rowsOf(ctx, tokens), parentHash });
  if (exchanged !== undefined) return { ...tokens, ...exchanged };
  return repeatedRefresh(ctx, parentHash, tokens);
}

/** A refresh token that cannot be exchanged: its child once more within the grace, the end of its family after it. */
async function repeatedRefresh(ctx: Ctx, parentHash: Buffer, tokens: TokenPair): Promise<TokenPair> {
  const now = ctx.clock.now().getTime();
  const [parent] = await store.findRefresh(ctx, { hash: parentHash });
  if (parent === undefined) throw invalidToken();
  if (parent.rotatedAt === null)
    throw new DomainError("TOKEN_EXPIRED", "The refresh token has expired: sign in again.");
  if (now - parent.rotatedAt.getTime() <= ctx.settings.auth.refreshGrace) {
    const again = await repeatChild(ctx, tokens);
    if (again !== undefined) return again;
  }
  await revokeFamily(ctx, parent.familyId);
  ctx.log.warn({ account: parent.accountId, device: parent.familyId }, "refresh token reused: sign-in revoked");
  throw new DomainError("REFRESH_TOKEN_REUSED");
}

/** The living refresh token that follows, with a new access token; the child may itself have been exchanged meanwhile. */
async function repeatChild(ctx: Ctx, tokens: TokenPair): Promise<TokenPair | undefined> {
  let { refreshToken } = tokens;
  for (let step = 0; step < MOST_CHILDREN; step++) {
    const pair = { ...tokens, refreshToken };
    const { refreshHash, ...rows } = rowsOf(ctx, pair);
    const [made] = await store.insertAccess(ctx, { ...rows, refreshHash });
    if (made !== undefined) return { ...pair, ...made };
    refreshToken = childToken(ctx.key, refreshToken);
  }
  return undefined;
}

export async function signOut(ctx: Ctx): Promise<void> {
  if (ctx.caller.kind !== "account") throw new DomainError("ACCOUNT_REQUIRED");
  ctx.session.check();
  const families = new Set([ctx.caller.familyId, await familyOfCookie(ctx)]);
  for (const familyId of families) if (familyId !== undefined) await revokeFamily(ctx, familyId);
  ctx.session.clear();
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

/** A pair that ends in its own time, or at `end` in milliseconds when that comes first. */
function drawPair(ctx: Ctx, refreshToken: string, end = Number.POSITIVE_INFINITY): TokenPair {
  const now = ctx.clock.now().getTime();
  return {
    accessToken: newToken("access"),
    accessExpiresAt: new Date(Math.min(now + ctx.settings.auth.accessTtl, end)),
    refreshToken,
    refreshExpiresAt: new Date(Math.min(now + ctx.settings.auth.refreshIdleTtl, end)),
  };
}

function rowsOf(ctx: Ctx, tokens: TokenPair): store.NewPair {
  return {
    accessId: ctx.ids.next(),
    accessHash: tokenHash("access", tokens.accessToken)!,
    accessExpiresAt: tokens.accessExpiresAt,
    refreshId: ctx.ids.next(),
    refreshHash: tokenHash("refresh", tokens.refreshToken)!,
    refreshExpiresAt: tokens.refreshExpiresAt,
    at: ctx.clock.now(),
  };
}

function invalidToken(): DomainError {
  return new DomainError("INVALID_TOKEN");
}
