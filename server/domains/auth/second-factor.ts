import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { takeRecoveryCode } from "./recovery.js";
import { findTotp, type KeptTotp, lockTotp, useStep } from "./store-totp.js";
import { withTry } from "./throttle.js";
import { stepOf } from "./totp-code.js";

/**
 * Asks for the account's second factor, when it has one: a code of its authenticator, or a recovery code. Throws OTP_REQUIRED when
 * `otp` is empty, INVALID_OTP when it is wrong or was used, TOO_MANY_TRIES.
 */
export async function checkSecondFactor(
  ctx: Ctx,
  { accountId, otp, knownDevice }: { accountId: string; otp: string; knownDevice: string | undefined },
): Promise<void> {
  const kept = await findConfirmed(ctx, accountId);
  if (kept === undefined) return;
  if (otp === "") throw new DomainError("OTP_REQUIRED", undefined, { field: "otp" });
  // Whoever knows the secret may guess here as little as there, and keeps nobody from his known devices either.
  await withTry(ctx, { purpose: "otp", subject: accountId, knownDevice }, "INVALID_OTP", async () => {
    if (!(await useCode(ctx, kept, plainCode(otp)))) throw new DomainError("INVALID_OTP", undefined, { field: "otp" });
  });
}

/**
 * Has `change` be done by whoever still has the second factor of his account, in the transaction that uses up the code: of two at once
 * the second finds what the first has done. Throws TOTP_OFF, INVALID_CODE, TOO_MANY_TRIES.
 */
export async function bySecondFactor<T>(
  ctx: Ctx,
  { accountId, code }: { accountId: string; code: string },
  change: (tx: Ctx, kept: KeptTotp) => Promise<T>,
): Promise<T> {
  if ((await findConfirmed(ctx, accountId)) === undefined) throw new DomainError("TOTP_OFF");
  const prove = async (tx: Ctx): Promise<T> => {
    const [kept] = await lockTotp(tx, { accountId });
    if (kept === undefined) throw new DomainError("TOTP_OFF");
    if (!(await useCode(tx, kept, plainCode(code))))
      throw new DomainError("INVALID_CODE", undefined, { field: "code" });
    return change(tx, kept);
  };
  return withTry(ctx, { purpose: "otp", subject: accountId }, "INVALID_CODE", () =>
    ctx.transaction(prove, { retry: 3 }),
  );
}

async function useCode(ctx: Ctx, kept: KeptTotp, code: string): Promise<boolean> {
  const step = await stepOf(ctx, kept, code);
  if (step === undefined) return takeRecoveryCode(ctx, kept, code);
  return (await useStep(ctx, { accountId: kept.accountId, step })).length > 0;
}

/** As it is compared: blanks and hyphens do not count, nor does the case. */
export function plainCode(typed: string): string {
  return typed.replace(/[\s-]/g, "").toUpperCase();
}

async function findConfirmed(ctx: Ctx, accountId: string): Promise<KeptTotp | undefined> {
  const [kept] = await findTotp(ctx, { accountId });
  return kept === undefined || kept.confirmedAt === null ? undefined : kept;
}
