import type { Ctx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { ConstraintError } from "../../platform/db/index.js";
import { type AccountRow, callerAccount, checkSecret, fetchAccount, hasAdmin, makeAccount } from "../accounts/index.js";
import { publishRevocation, revocationEvent } from "./revocation.js";
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
const MOST_LOOKS = 5;

export async function signIn(
  ctx: Ctx,
  input: { login: string; secret: string },
): Promise<{ account: AccountRow; tokens: TokenPair; deviceId: string }> {
  const accountId = await checkSecret(ctx, input.login, input.secret);
  if (accountId === undefined) throw new DomainError("INVALID_CREDENTIALS");
  const account = await fetchAccount(ctx, accountId);
  const familyId = ctx.ids.next();
  const familyEnd = ctx.clock.now().getTime() + ctx.settings.auth.refreshMaxTtl;
  const tokens = drawPair(ctx, newToken("refresh"), familyEnd);
  const family = { ...rowsOf(ctx, tokens), accountId, familyId, familyExpiresAt: new Date(familyEnd) };
  const made = await store.insertFamily(ctx, family).catch((error) => {
    // The account was there when the statement began, and was deleted while it waited.
    if (error instanceof ConstraintError && error.kind === "foreign_key") return [];
    throw error;
  });
  if (made.length === 0) throw new DomainError("INVALID_CREDENTIALS");
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
  await revokeFamily(ctx, ctx.caller.familyId);
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
    return makeAccount(tx, { ...nothing, login, secret, name, roles: ["admin"] });
  });
}

/** Who a bearer token stands for; asked at every call, answered from memory for a second. */
export function authenticate(ports: Ports, token: string): Caller | Promise<Caller> {
  const known = accessCache(ports).through(token, () => findCaller(ports, token));
  return known instanceof Promise ? known.then((caller) => living(ports, caller)) : living(ports, known);
}

/** Whether the sign-in behind a call still stands. */
export async function isSignedIn(ctx: Ctx): Promise<boolean> {
  if (ctx.caller.kind !== "account") return true;
  return (await store.findFamily(ctx, { familyId: ctx.caller.familyId })).length > 0;
}

async function findCaller(ports: Ports, token: string): Promise<AccountCaller> {
  const hash = tokenHash("access", token);
  const [grant] = hash === undefined ? [] : await store.findAccess({ db: ports.database }, { hash });
  if (grant === undefined) throw invalidToken();
  return { kind: "account", via: "token", ...grant };
}

type AccountCaller = Extract<Caller, { kind: "account" }>;

function living(ports: Ports, caller: AccountCaller): Caller {
  if (caller.expiresAt.getTime() <= ports.clock.now().getTime()) throw new DomainError("TOKEN_EXPIRED");
  return caller;
}

function accessCache(ports: Ports) {
  return ports.caches.create<AccountCaller>("access", { max: 50_000, ttlMs: 1_000 });
}

async function revokeFamily(ctx: Ctx, familyId: string): Promise<void> {
  // A pair that was being made while its family went is seen by the next look only.
  let gone = 1;
  for (let look = 0; look < MOST_LOOKS && gone > 0; look++) {
    gone = (await store.deleteFamily(ctx, { familyId, ...revocationEvent(ctx, { familyId }) })).length;
  }
  ctx.afterCommit(() => forget(ctx, { familyId }));
}

/** What leaves with an account: its tokens (the table sees to that) and the streams they opened. */
export async function eraseTokens(ctx: Ctx, accountId: string): Promise<void> {
  await store.tellRevoked(ctx, revocationEvent(ctx, { accountId }));
  ctx.afterCommit(() => forget(ctx, { accountId }));
}

function forget(ports: Ports, what: { familyId?: string; accountId?: string }): void {
  // Tokens are not sent over the bus, so every node drops all it remembers: a second's worth.
  accessCache(ports).clear();
  publishRevocation(ports.bus, what);
  ports.events.wake();
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
