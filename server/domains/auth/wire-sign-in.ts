import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { toAccount } from "../accounts/index.js";
import type { SignedIn } from "./open-sign-in.js";
import type { TokenPair } from "./pair.js";

/** What every way of signing in answers. */
export function toSignedIn({ account, tokens, deviceId }: SignedIn) {
  return { account: toAccount({ account, whole: true }), tokens: toTokens(tokens), deviceId };
}

/** A pair of tokens on the wire. */
export function toTokens(pair: TokenPair) {
  return {
    accessToken: pair.accessToken,
    accessExpireTime: timestampFromDate(pair.accessExpiresAt),
    refreshToken: pair.refreshToken,
    refreshExpireTime: timestampFromDate(pair.refreshExpiresAt),
  };
}
