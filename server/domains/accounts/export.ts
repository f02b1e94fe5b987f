import type { Ctx, ExportedRecord } from "../../context.js";
import { mayChange } from "./service.js";

/**
 * Everything the installation holds of one's own account, or for an administrator of any, until the call ends.
 * Throws ACCOUNT_NOT_FOUND, NOT_YOUR_ACCOUNT.
 */
export async function* exportAccount(ctx: Ctx, idText: string): AsyncGenerator<ExportedRecord & { domain: string }> {
  const id = await mayChange(ctx, idText);
  await ctx.audit.record(ctx, { type: "account.exported", accountId: id });
  yield* ctx.export(ctx, id);
}
