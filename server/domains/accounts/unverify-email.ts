import type { Ctx } from "../../context.js";
import { changeEvent } from "./change-event.js";
import { submitReplaced } from "./replaced-address.js";
import { accountRows } from "./service.js";
import { deleteVerifiedEmail } from "./store-unverify-email.js";

/** Notes that an account's address was not shown to be its own: it leads in no more, and who reads there is told. Runs in the caller's transaction. */
export async function unverifyEmail(ctx: Ctx, accountId: string): Promise<void> {
  const [gone] = await deleteVerifiedEmail(ctx, { accountId, ...changeEvent(ctx, accountId, ["email_verified"]) });
  if (gone !== undefined) await submitReplaced(ctx, gone.email);
  accountRows(ctx).wrote(ctx, accountId);
  ctx.afterCommit(() => ctx.events.wake());
}
