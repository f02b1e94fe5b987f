import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { callerAccount, fetchAccount, freshAccount, submitAdded } from "../accounts/index.js";
import { writeOf } from "./account-gone.js";
import { namedAccount } from "./named-account.js";
import { checkRecentSignIn } from "./recent-sign-in.js";
import { drawRecoveryCodes } from "./recovery.js";
import { bySecondFactor, plainCode } from "./second-factor.js";
import * as store from "./store-totp.js";
import { beginTry } from "./throttle.js";
import { drawTotpSecret, stepOf, totpUri } from "./totp-code.js";

export async function enrollTotp(ctx: Ctx): Promise<{ secret: string; uri: string }> {
  const accountId = callerAccount(ctx);
  await checkRecentSignIn(ctx);
  const { login, email, name } = await fetchAccount(ctx, accountId);
  const secret = await drawTotpSecret();
  const secretSealed = ctx.key.seal("totp-secret", secret, accountId);
  const enrolling = { accountId, secretSealed, at: ctx.clock.now() };
  const enrolled = await writeOf(ctx, accountId, () => store.enrollTotp(ctx, enrolling));
  if (enrolled.length === 0) throw new DomainError("TOTP_ON");
  return { secret, uri: await totpUri(secret, ctx.settings.appName, login || email || name) };
}

export async function confirmTotp(ctx: Ctx, typed: string): Promise<string[]> {
  const accountId = callerAccount(ctx);
  const [kept] = await store.findTotp(ctx, { accountId });
  if (kept === undefined) throw new DomainError("TOTP_OFF", "No authenticator was enrolled.");
  if (kept.confirmedAt !== null) throw new DomainError("TOTP_ON");
  const attempt = await beginTry(ctx, { purpose: "otp", subject: accountId });
  const step = await stepOf(ctx, kept, plainCode(typed));
  if (step === undefined) throw new DomainError("INVALID_CODE", undefined, { field: "code" });
  const codes = await ctx.transaction(
    async (tx) => {
      const confirmed = await store.confirmTotp(tx, { ...kept, step, at: tx.clock.now() });
      if (confirmed.length === 0) throw new DomainError("CONFLICT", undefined, { retryAfterMs: 50 });
      await tx.audit.record(tx, { type: "totp.on", accountId });
      await submitAdded(tx, accountId, "authenticator");
      return drawRecoveryCodes(tx, kept);
    },
    { retry: 3 },
  );
  await attempt.passed();
  return codes;
}

export async function disableTotp(ctx: Ctx, input: { accountId: string; code: string }): Promise<void> {
  const accountId = namedAccount(ctx, input.accountId);
  if (ctx.caller.kind === "account" && ctx.caller.accountId === accountId) {
    await bySecondFactor(ctx, { accountId, code: neededCode(input.code) }, (tx) => turnOff(tx, accountId));
    return;
  }
  await checkRecentSignIn(ctx);
  await freshAccount(ctx, accountId);
  await ctx.transaction(
    async (tx) => {
      await store.lockTotp(tx, { accountId });
      await turnOff(tx, accountId);
    },
    { retry: 3 },
  );
}

/** Turns an authenticator off that is held. */
async function turnOff(tx: Ctx, accountId: string): Promise<void> {
  if ((await store.deleteTotp(tx, { accountId })).length === 0) throw new DomainError("TOTP_OFF");
  await tx.audit.record(tx, { type: "totp.off", accountId });
}

function neededCode(code: string): string {
  if (code !== "") return code;
  throw new DomainError("INVALID_FIELD", "A code is needed to turn off one's own authenticator.", { field: "code" });
}

export async function regenerateRecoveryCodes(ctx: Ctx, code: string): Promise<string[]> {
  const accountId = callerAccount(ctx);
  await checkRecentSignIn(ctx);
  return bySecondFactor(ctx, { accountId, code }, drawRecoveryCodes);
}
