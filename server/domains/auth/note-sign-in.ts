import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { type AccountRow, readAccount } from "../accounts/index.js";
import type { EarnedSignIn } from "./open-sign-in.js";

/**
 * Notes in the audit log that somebody has shown who he is, where nothing is to come of it but the answer: what nobody would hold is not
 * made. Throws what opening a sign-in throws.
 */
export async function noteSignIn(
  ctx: Ctx,
  { accountId, method }: Pick<EarnedSignIn, "accountId" | "method">,
): Promise<AccountRow> {
  // Not from memory: whether it is banned is told as it is now.
  const account = await readAccount(ctx, accountId);
  if (account === undefined) throw new DomainError("INVALID_CREDENTIALS");
  if (account.status === "banned") throw new DomainError("ACCOUNT_BANNED");
  await ctx.audit.record(ctx, { type: "sign_in.ok", accountId, detail: { method } });
  return account;
}
