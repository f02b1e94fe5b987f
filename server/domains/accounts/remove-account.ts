import type { EraseCtx } from "../../context.js";
import { submitErase } from "./erase.js";
import { accountRows } from "./service.js";
import { deleteAccount } from "./store.js";

/** Deletes an account with all that every domain holds of it, in the caller's transaction; answers whether it was there. */
export async function removeAccount(ctx: EraseCtx, id: string): Promise<boolean> {
  await ctx.erase(ctx, id);
  if ((await deleteAccount(ctx, { id })).length === 0) return false;
  await submitErase(ctx, id);
  await ctx.audit.record(ctx, { type: "account.deleted", accountId: id });
  accountRows(ctx).wrote(ctx, id);
  return true;
}
