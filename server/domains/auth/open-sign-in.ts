import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { ConstraintError } from "../../platform/db/index.js";
import { type AccountRow, readAccount } from "../accounts/index.js";
import { drawPair, rowsOf, type TokenPair } from "./pair.js";
import { drawCookie, replaceSession } from "./session.js";
import * as store from "./store.js";
import { newToken } from "./tokens.js";

/** How somebody has shown who he is. */
export type SignInMethod = "secret" | "passkey" | "oidc" | "anonymous";

/** A sign-in that was earned. */
export interface EarnedSignIn {
  accountId: string;
  method: SignInMethod;
  /** The name of the secret that was shown: it must still be the account's. */
  secretName?: Buffer | undefined;
  /** Whether the browser is to get a session cookie besides. */
  cookie: boolean;
  /** What its owner is to see; empty for what the program says of itself. */
  deviceName: string;
}

/** What every way of signing in answers. */
export interface SignedIn {
  account: AccountRow;
  tokens: TokenPair;
  deviceId: string;
}

const NO_COOKIE = { cookieId: undefined, cookieHash: undefined, cookieExpiresAt: undefined };

/**
 * Opens a sign-in: its tokens, its cookie if it has one, and what its owner sees of it. Every way of signing in ends here.
 * Throws ACCOUNT_BANNED, and INVALID_CREDENTIALS when the account is gone or its secret was changed meanwhile.
 */
export async function openSignIn(ctx: Ctx, earned: EarnedSignIn): Promise<SignedIn> {
  const familyId = ctx.ids.next();
  const familyEnd = ctx.clock.now().getTime() + ctx.settings.auth.refreshMaxTtl;
  const tokens = drawPair(ctx, newToken("refresh"), familyEnd);
  const session = earned.cookie ? drawCookie(ctx, familyEnd) : undefined;
  const family = {
    ...rowsOf(ctx, tokens),
    ...(session?.row ?? NO_COOKIE),
    accountId: earned.accountId,
    secretName: earned.secretName,
    familyId,
    familyExpiresAt: new Date(familyEnd),
    deviceName: earned.deviceName || ctx.client.userAgent,
    method: earned.method,
    address: ctx.client.address,
  };
  const made = await store.insertFamily(ctx, family).catch((error) => {
    // The account was there when the statement began, and was deleted while it waited.
    if (error instanceof ConstraintError && error.kind === "foreign_key") return [];
    throw error;
  });
  // Not from memory: whether it is banned is told as it is now.
  const account = await readAccount(ctx, earned.accountId);
  if (made.length === 0) throw new DomainError(account?.status === "banned" ? "ACCOUNT_BANNED" : "INVALID_CREDENTIALS");
  if (account === undefined) throw new DomainError("INVALID_CREDENTIALS");
  if (session !== undefined) await replaceSession(ctx, session);
  return { account, tokens, deviceId: familyId };
}
