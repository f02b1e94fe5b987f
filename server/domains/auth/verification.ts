import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { callerAccount, fetchAccount, foldEmail, readAccount, verifyEmail } from "../accounts/index.js";
import { isSentCode } from "./codes.js";
import { submitVerification } from "./mail-jobs.js";
import { checkRecentSignIn } from "./recent-sign-in.js";
import * as store from "./store-codes.js";
import { beginTry, withTry } from "./throttle.js";

export async function requestVerification(ctx: Ctx): Promise<void> {
  const accountId = callerAccount(ctx);
  // A verified address is a way to a new secret.
  await checkRecentSignIn(ctx);
  const { email } = await fetchAccount(ctx, accountId);
  const target = foldEmail(email);
  if (target === undefined) throw new DomainError("EMAIL_MISSING");
  // By the address too: others may have entered it in accounts of theirs.
  for (const subject of [accountId, target]) await beginTry(ctx, { purpose: "verify-mail", subject });
  await submitVerification(ctx, { accountId, email });
}

export async function verify(ctx: Ctx, input: { email: string; code: string }): Promise<void> {
  const target = foldEmail(input.email) ?? "";
  await withTry(ctx, { purpose: "verify-code", subject: target }, "INVALID_CODE", () =>
    verifyBy(ctx, target, input.code),
  );
}

async function verifyBy(ctx: Ctx, target: string, code: string): Promise<void> {
  const own = await callerWith(ctx, target);
  const tried = await store.tryVerificationCodes(ctx, { target, at: ctx.clock.now(), accountId: own });
  const right = tried.map(store.codeOf).find((sent) => sent !== undefined && isSentCode(ctx, sent, code));
  if (right === undefined) throw invalidCode();
  const { accountId, email } = right;
  await ctx.transaction(
    async (tx) => {
      const taken = await store.takeCode(tx, right);
      if (taken.length === 0) throw invalidCode();
      if (!(await verifyEmail(tx, { accountId, email, subject: target }))) throw invalidCode();
      await tx.audit.record(tx, { type: "email.verified", accountId });
    },
    { retry: 3 },
  );
}

/**
 * The caller's account when the address stands there. He is verifying that one, then: strangers can enter his address in accounts
 * of theirs, and have codes sent to him that he would type.
 */
async function callerWith(ctx: Ctx, target: string): Promise<string | undefined> {
  if (ctx.caller.kind !== "account") return undefined;
  const account = await readAccount(ctx, ctx.caller.accountId);
  return account !== undefined && foldEmail(account.email) === target ? account.id : undefined;
}

function invalidCode(): DomainError {
  return new DomainError("INVALID_CODE", undefined, { field: "code" });
}
