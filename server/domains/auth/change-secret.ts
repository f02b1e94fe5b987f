import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { callerAccount, prepareSecret, replaceSecret } from "../accounts/index.js";
import { revokeOthers } from "./revoke.js";

export async function changeSecret(ctx: Ctx, input: { old: string; new: string; signatures: boolean }): Promise<void> {
  const accountId = callerAccount(ctx);
  // Whoever signs with the secret has shown that he knows it.
  const shown = ctx.caller.kind === "account" && ctx.caller.via === "signature";
  if (input.old === "" && !shown) {
    throw new DomainError("INVALID_FIELD", "The old secret is needed.", { field: "old" });
  }
  const old = input.old === "" ? undefined : input.old;
  const change = await prepareSecret(ctx, { accountId, old, secret: input.new, signatures: input.signatures });
  await ctx.transaction(
    async (tx) => {
      await replaceSecret(tx, change);
      await revokeOthers(tx, accountId);
    },
    { retry: 3 },
  );
}
