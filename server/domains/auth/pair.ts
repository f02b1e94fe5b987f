import type { Ctx } from "../../context.js";
import type { NewPair } from "./store.js";
import { newToken, tokenHash } from "./tokens.js";

/** A pair of tokens, in the only moment they are known. */
export interface TokenPair {
  accessToken: string;
  accessExpiresAt: Date;
  refreshToken: string;
  refreshExpiresAt: Date;
}

/** A pair that ends in its own time, or at `end` in milliseconds when that comes first. */
export function drawPair(ctx: Ctx, refreshToken: string, end = Number.POSITIVE_INFINITY): TokenPair {
  const now = ctx.clock.now().getTime();
  return {
    accessToken: newToken("access"),
    accessExpiresAt: new Date(Math.min(now + ctx.settings.auth.accessTtl, end)),
    refreshToken,
    refreshExpiresAt: new Date(Math.min(now + ctx.settings.auth.refreshIdleTtl, end)),
  };
}

/** What is kept of a pair. */
export function rowsOf(ctx: Ctx, tokens: TokenPair): NewPair {
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
