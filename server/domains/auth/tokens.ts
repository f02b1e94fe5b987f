import { randomBytes } from "node:crypto";
import { type InstanceKey, sha256 } from "../../kernel/instance-key.js";

const FORM = /^bs_(at|rt|st|ct|ft)_[A-Za-z0-9_-]{43}$/;

/** What a token is for; its prefix says it. */
export type TokenKind = "access" | "refresh" | "setup" | "cookie" | "flow";

const PREFIXES = { access: "bs_at_", refresh: "bs_rt_", setup: "bs_st_", cookie: "bs_ct_", flow: "bs_ft_" } as const;

/** A new token of 256 random bits. */
export function newToken(kind: TokenKind): string {
  return PREFIXES[kind] + randomBytes(32).toString("base64url");
}

/**
 * The refresh token that follows `parent`: always the same one, so that a repeat within the grace can answer it again
 * although only hashes are stored.
 */
export function childToken(key: InstanceKey, parent: string): string {
  return refreshToken(key.mac("refresh-child", parent));
}

/**
 * The refresh tokens that may have followed `parent` one after the other, nearest first and at least `count` of them: each was made
 * by one secret of the ring, before or after it turned.
 */
export function followers(key: InstanceKey, parent: string, count: number): string[] {
  const found: string[] = [];
  for (let last = [parent]; found.length < count; found.push(...last)) {
    last = last.flatMap((token) => key.macs("refresh-child", token).map(refreshToken));
  }
  return found;
}

function refreshToken(mac: Buffer): string {
  return PREFIXES.refresh + mac.toString("base64url");
}

/** The stored form of a token; undefined when the text cannot be one of this kind. */
export function tokenHash(kind: TokenKind, token: string): Buffer | undefined {
  return FORM.test(token) && token.startsWith(PREFIXES[kind]) ? sha256(token) : undefined;
}
