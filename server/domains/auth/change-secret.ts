import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { callerAccount, prepareSecret, replaceSecret, type ShownSecret } from "../accounts/index.js";
import { revokeOthers } from "./revoke.js";
import { deleteCodes } from "./store-codes.js";
import { withTry } from "./throttle.js";

export async function changeSecret(ctx: Ctx, input: { old: string; new: string; signatures: boolean }): Promise<void> {
  const accountId = callerAccount(ctx);
  const prepare = () =>
    prepareSecret(ctx, {
      accountId,
      ...shownSecret(ctx, input.old),
      secret: input.new,
      signatures: input.signatures,
    });
  // Whoever has somebody's open session guesses his secret here as little as at the sign-in.
  const tried = { purpose: "old-secret", subject: accountId } as const;
  const change = await (input.old === "" ? prepare() : withTry(ctx, tried, "WRONG_SECRET", prepare));
  await ctx.transaction(
    async (tx) => {
      await replaceSecret(tx, change);
      await revokeOthers(tx, accountId);
      // Whoever has one in hand could otherwise set yet another.
      await deleteCodes(tx, { accountId });
      await ctx.audit.record(tx, { type: "secret.changed", accountId });
    },
    { retry: 3 },
  );
}

/** Whoever signs with the secret has shown that he knows it: the one he signed with. */
function shownSecret(ctx: Ctx, old: string): ShownSecret {
  const secretMark = ctx.caller.kind === "account" ? ctx.caller.secretMark : undefined;
  if (old !== "") return { old, secretMark };
  if (secretMark !== undefined) return { old: undefined, secretMark };
  throw new DomainError("WRONG_SECRET", "The old secret is needed.", { field: "old" });
}
