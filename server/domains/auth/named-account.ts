import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { callerAccount } from "../accounts/index.js";

/**
 * The id an RPC's `account_id` names: the caller's own, or for administrators another's. Throws ADMIN_REQUIRED for the account of
 * another, whether there is one or not; ACCOUNT_NOT_FOUND for what is no id, ACCOUNT_REQUIRED for the operator who names none.
 */
export function namedAccount(ctx: Ctx, text: string): string {
  if (text === "" || text === "me") return callerAccount(ctx);
  const id = parseId(text);
  const isOwn = ctx.caller.kind === "account" && ctx.caller.accountId === id;
  if (!isOwn && !isAdmin(ctx.caller)) throw new DomainError("ADMIN_REQUIRED");
  if (id === undefined) throw new DomainError("ACCOUNT_NOT_FOUND");
  return id;
}
