import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import type { SignInMethod } from "./open-sign-in.js";
import { outlasting } from "./outlasting.js";

/** What the audit log is told of a sign-in that was refused. */
export interface RefusedSignIn {
  method: SignInMethod;
  /** Whose it would have been, as far as that was found out. */
  accountId: string | undefined;
  /** More precise than the error's own reason, which the caller sees. */
  reason?: string | undefined;
  /** The provider's name here. */
  provider?: string | undefined;
}

/** Notes why a sign-in was refused. What only failed, such as the database, refuses nobody. */
export async function recordRefused(ctx: Ctx, error: unknown, refused: RefusedSignIn): Promise<void> {
  if (!(error instanceof DomainError)) return;
  if (error.kind !== "unauthenticated" && error.kind !== "permission_denied") return;
  const { method, accountId, reason = error.reason, provider } = refused;
  const detail = { method, reason, ...(provider !== undefined && { provider }) };
  await ctx.audit.record(outlasting(ctx), { type: "sign_in.failed", accountId, detail });
}
