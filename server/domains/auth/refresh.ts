import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { drawPair, rowsOf, type TokenPair } from "./pair.js";
import { revokeFamily } from "./revoke.js";
import { noteSeen } from "./seen.js";
import * as store from "./store.js";
import { childToken, childTokens, tokenHash } from "./tokens.js";

/** More exchanges than this within the grace are not a client that lost an answer. */
const MOST_CHILDREN = 4;

export async function refresh(ctx: Ctx, refreshToken: string): Promise<TokenPair> {
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
  if (parent.sinceMs === null) throw new DomainError("TOKEN_EXPIRED", "The refresh token has expired: sign in again.");
  // It is the caller who is to come within the grace, however long the database lets him wait.
  const waited = performance.now() - askedAt;
  if (parent.sinceMs - waited <= ctx.settings.auth.refreshGrace) {
    const again = await repeatChild(ctx, refreshToken, tokens);
    if (again !== undefined) return again;
  }
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

/** The living refresh token that follows, with a new access token; the child may itself have been exchanged meanwhile. */
async function repeatChild(ctx: Ctx, parent: string, tokens: TokenPair): Promise<TokenPair | undefined> {
  let refreshToken = await childOf(ctx, parent);
  for (let step = 0; step < MOST_CHILDREN && refreshToken !== undefined; step++) {
    const pair = { ...tokens, refreshToken };
    const { refreshHash, ...rows } = rowsOf(ctx, pair);
    const [made] = await store.insertAccess(ctx, { ...rows, refreshHash });
    if (made !== undefined) return { ...pair, ...made };
    refreshToken = await childOf(ctx, refreshToken);
  }
  return undefined;
}

/** What an exchanged token was exchanged for: of several secrets it is known only by what is there. */
async function childOf(ctx: Ctx, parent: string): Promise<string | undefined> {
  const children = childTokens(ctx.key, parent);
  if (children.length === 1) return children[0];
  for (const child of children) {
    if ((await store.findRefresh(ctx, { hash: tokenHash("refresh", child)! })).length > 0) return child;
  }
  return undefined;
}

function invalidToken(): DomainError {
  return new DomainError("INVALID_TOKEN");
}
