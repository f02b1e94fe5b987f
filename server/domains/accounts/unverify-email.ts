import type { Ctx } from "../../context.js";
import { accountRows } from "./service.js";
import { deleteVerifiedEmail } from "./store-unverify-email.js";

/** Notes that an account's address was not shown to be its own: it leads in no more. Runs in the caller's transaction. */
export async function unverifyEmail(ctx: Ctx, accountId: string): Promise<void> {
  await deleteVerifiedEmail(ctx, { accountId, at: ctx.clock.now() });
  accountRows(ctx).wrote(ctx, accountId);
}
