import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { ConstraintError } from "../../platform/db/index.js";
import { type AccountRow, readAccount } from "../accounts/index.js";
import { noteRight } from "./known-proofs.js";
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
  /** More of that for the audit log. */
  by?: Readonly<Record<string, string>>;
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
 * Opens a sign-in: its tokens, its cookie if it has one, what its owner sees of it, and its entry in the audit log, all or nothing.
 * Every way of signing in ends here. Throws ACCOUNT_BANNED, and INVALID_CREDENTIALS when the account is gone or its secret was
 * changed meanwhile.
 */
export async function openSignIn(ctx: Ctx, earned: EarnedSignIn): Promise<SignedIn> {
  const { accountId, method, secretName } = earned;
  const familyId = ctx.ids.next();
  const familyEnd = ctx.clock.now().getTime() + ctx.settings.auth.refreshMaxTtl;
  const tokens = drawPair(ctx, newToken("refresh"), familyEnd);
  const session = earned.cookie ? drawCookie(ctx, familyEnd) : undefined;
  const family = {
    ...rowsOf(ctx, tokens),
    ...(session?.row ?? NO_COOKIE),
    accountId,
    secretName,
    familyId,
    familyExpiresAt: new Date(familyEnd),
    deviceName: earned.deviceName || ctx.client.userAgent,
    method,
    address: ctx.client.address,
  };
  const open = async (tx: Ctx): Promise<SignedIn> => {
    const made = await store.insertFamily(tx, family);
    // Not from memory: whether it is banned is told as it is now.
    const account = await readAccount(tx, accountId);
    if (made.length === 0 && account?.status === "banned") throw new DomainError("ACCOUNT_BANNED");
    if (made.length === 0 || account === undefined) throw new DomainError("INVALID_CREDENTIALS");
    if (session !== undefined) await replaceSession(tx, session);
    await tx.audit.record(tx, {
      type: "sign_in.ok",
      accountId,
      detail: { method, ...earned.by, device: familyId },
    });
    tx.afterCommit(() => noteRight(ctx, { by: "token", text: tokens.accessToken }));
    return { account, tokens, deviceId: familyId };
  };
  return ctx.transaction(open, { retry: 3 }).catch((error) => {
    // The account was there when the first statement began, and was deleted while it waited.
    const isGone = error instanceof ConstraintError && error.kind === "foreign_key";
    throw isGone ? new DomainError("INVALID_CREDENTIALS") : error;
  });
}
