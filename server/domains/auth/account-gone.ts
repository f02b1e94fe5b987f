import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { ConstraintError } from "../../platform/db/index.js";

/**
 * Writes something of an account, which was there a moment ago. Throws, when it was deleted meanwhile, INVALID_TOKEN or INVALID_SIGNATURE
 * to the account itself and ACCOUNT_NOT_FOUND to whoever named it.
 */
export async function writeOf<T>(ctx: Ctx, accountId: string | undefined, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    // The account was there when the statement began, and was deleted while it waited.
    const isGone = error instanceof ConstraintError && error.kind === "foreign_key";
    if (!isGone) throw error;
    const isOwn = ctx.caller.kind === "account" && ctx.caller.accountId === accountId;
    throw isOwn ? callerGone(ctx) : new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "accountId" });
  }
}

/** What whoever called by something that does not stand any more is told. */
export function callerGone({ caller }: Ctx): DomainError {
  const isSigned = caller.kind === "account" && caller.via === "signature";
  return new DomainError(isSigned ? "INVALID_SIGNATURE" : "INVALID_TOKEN");
}
