import type { Ctx, ExportedRecord } from "../../context.js";
import { isOver, type Loss } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { mayChange } from "./service.js";

/**
 * Everything the installation holds of one's own account, or for an administrator of any, until the call ends.
 * Throws ACCOUNT_NOT_FOUND, NOT_YOUR_ACCOUNT; TOKEN_REVOKED, TOKEN_EXPIRED when the caller's sign-in ends before it does.
 */
export async function* exportAccount(ctx: Ctx, idText: string): AsyncGenerator<ExportedRecord & { domain: string }> {
  let lost: Loss | undefined;
  const forget = ctx.signIns.onLoss(ctx.caller, (loss) => {
    lost = loss;
  });
  try {
    const id = await mayChange(ctx, idText);
    // Whoever was signed out between his admission and here is told nothing either.
    lost ??= (await ctx.signIns.lossesOf([ctx.caller])).get(ctx.caller);
    checkStanding(ctx, lost);
    await ctx.audit.record(ctx, { type: "account.exported", accountId: id });
    for await (const record of ctx.export(ctx, id)) {
      ctx.signal.throwIfAborted();
      checkStanding(ctx, lost);
      yield record;
    }
  } finally {
    forget();
  }
}

function checkStanding({ caller, clock }: Ctx, lost: Loss | undefined): void {
  if (lost === "sign-in") throw new DomainError("TOKEN_REVOKED");
  if (lost === "role") throw new DomainError("CONFLICT", "The caller has just lost a role.", { retryAfterMs: 1_000 });
  if (isOver(caller, clock.now())) throw new DomainError("TOKEN_EXPIRED");
}
