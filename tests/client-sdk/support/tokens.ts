import type { StoredTokens } from "@backstay/client";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";

const HOUR_MS = 3_600_000;

/** The tokens of generation `n` as the server answers them. */
export function servedTokens(n: number, lifetimeMs = HOUR_MS) {
  return {
    accessToken: `access-${n}`,
    accessExpireTime: timestampFromMs(Date.now() + lifetimeMs),
    refreshToken: `refresh-${n}`,
    refreshExpireTime: timestampFromMs(Date.now() + 24 * HOUR_MS),
  };
}

/** The tokens of generation `n` as a client keeps them. */
export function keptTokens(n: number, lifetimeMs = HOUR_MS): StoredTokens {
  return {
    accessToken: `access-${n}`,
    accessExpiresAt: Date.now() + lifetimeMs,
    refreshToken: `refresh-${n}`,
    refreshExpiresAt: Date.now() + 24 * HOUR_MS,
    accountId: "ada",
    deviceId: "device-1",
  };
}

/** The token a request carried. */
export function bearerOf(call: { headers: Headers } | undefined): string | undefined {
  return call?.headers.get("authorization")?.replace("Bearer ", "");
}
