import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { noteRight } from "./known-proofs.js";
import { drawPair, rowsOf, type TokenPair } from "./pair.js";
import { revokeFamily } from "./revoke.js";
import { noteSeen } from "./seen.js";
import * as store from "./store.js";
import { childToken, followers, tokenHash } from "./tokens.js";

/** So many followers of a token are looked for by one statement. */
const LOOKED_FOR = 32;
/** With one key that is five hundred exchanges: more than an address may make within the grace. */
const MOST_LOOKS = 16;

export async function refresh(ctx: Ctx, refreshToken: string): Promise<TokenPair> {
  const pair = await exchange(ctx, refreshToken);
  noteRight(ctx, { by: "token", text: pair.accessToken });
  return pair;
}

async function exchange(ctx: Ctx, refreshToken: string): Promise<TokenPair> {
  const parentHash = tokenHash("refresh", refreshToken);
  if (parentHash === undefined) throw invalidToken();
  const askedAt = performance.now();
  const tokens = drawPair(ctx, childToken(ctx.key, refreshToken));
  const [exchanged] = await store.rotate(ctx, { ...rowsOf(ctx, tokens), parentHash });
  if (exchanged !== undefined) {
    const { familyId, ...ends } = exchanged;
    noteSeen(ctx, familyId, null);
    return { ...tokens, ...ends };
  }
  return repeatedRefresh(ctx, { refreshToken, parentHash, askedAt }, tokens);
}

/** A refresh token that cannot be exchanged: its child once more within the grace, the end of its family after it. */
async function repeatedRefresh(
  ctx: Ctx,
  { refreshToken, parentHash, askedAt }: { refreshToken: string; parentHash: Buffer; askedAt: number },
  tokens: TokenPair,
): Promise<TokenPair> {
  const [parent] = await store.findRefresh(ctx, { hash: parentHash });
  if (parent === undefined) throw invalidToken();
  if (parent.sinceMs === null) throw tokenExpired();
  // It is the caller who is to come within the grace, however long the database lets him wait.
  const waited = performance.now() - askedAt;
  if (parent.sinceMs - waited <= ctx.settings.auth.refreshGrace) return repeatLiving(ctx, refreshToken, tokens);
  const { accountId, familyId } = parent;
  await ctx.transaction(
    async (tx) => {
      await revokeFamily(tx, familyId);
      await tx.audit.record(tx, { type: "refresh_token.reused", accountId, detail: { device: familyId } });
    },
    { retry: 3 },
  );
  ctx.log.warn({ account: accountId, device: familyId }, "refresh token reused: sign-in revoked");
  throw new DomainError("REFRESH_TOKEN_REUSED");
}

/**
 * The living refresh token that follows `parent`, with a new access token. Others may have exchanged what followed long since, and
 * go on while this is looked for: tabs that began with one token refresh each at its own pace. Whatever is found, nobody is signed
 * out.
 */
async function repeatLiving(ctx: Ctx, parent: string, tokens: TokenPair): Promise<TokenPair> {
  let from = parent;
  for (let look = 0; look < MOST_LOOKS; look++) {
    const refreshToken = await lastMade(ctx, from);
    if (refreshToken === undefined) throw await goneSince(ctx, from);
    const pair = { ...tokens, refreshToken };
    const [made] = await store.insertAccess(ctx, rowsOf(ctx, pair));
    if (made !== undefined) return { ...pair, ...made };
    from = refreshToken;
  }
  throw new DomainError("CONFLICT", "The token has been followed by too many others: take theirs, or try again.", {
    retryAfterMs: 50,
  });
}

/** The furthest of a token's next followers that was made: every token has one at most. */
async function lastMade(ctx: Ctx, token: string): Promise<string | undefined> {
  const candidates = followers(ctx.key, token, LOOKED_FOR);
  const hashes = candidates.map((candidate) => tokenHash("refresh", candidate)!.toString("hex"));
  const made = new Set((await store.findMade(ctx, { hashes })).map(({ hash }) => hash));
  return candidates.findLast((_, at) => made.has(hashes[at]!));
}

/** Why a token that nothing follows cannot be used: it has come to its end, or the sign-in was ended in this moment. */
async function goneSince(ctx: Ctx, token: string): Promise<DomainError> {
  const [still] = await store.findRefresh(ctx, { hash: tokenHash("refresh", token)! });
  return still?.sinceMs === null ? tokenExpired() : invalidToken();
}

function tokenExpired(): DomainError {
  return new DomainError("TOKEN_EXPIRED", "The refresh token has expired: sign in again.");
}

function invalidToken(): DomainError {
  return new DomainError("INVALID_TOKEN");
}
