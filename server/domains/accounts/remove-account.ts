import type { Ctx, EraseCtx } from "../../context.js";
import { ConflictError, LockTimeoutError } from "../../platform/db/index.js";
import { submitErase } from "./erase.js";
import { keepAnotherAdmin } from "./rights.js";
import { accountRows, mayChange, notFound } from "./service.js";
import * as store from "./store.js";

/** It is tried so often more while others hold what it needs: for some seconds. */
const RETRY = 8;

/** Deletes one's own account, or for an administrator any. Throws ACCOUNT_NOT_FOUND, NOT_YOUR_ACCOUNT, LAST_ADMIN. */
export async function deleteAccount(ctx: Ctx, idText: string): Promise<void> {
  const id = await mayChange(ctx, idText);
  const remove = async (tx: Ctx) => {
    await keepAnotherAdmin(tx, id);
    return removeAccount(tx, id);
  };
  const wasThere = await ctx.transaction(remove, { retry: RETRY });
  if (!wasThere) throw notFound();
}

/**
 * Deletes an account with all that every domain holds of it, in the caller's transaction; answers whether it was there.
 *
 * It takes rows of many others, who may hold what it waits for and wait for what it holds. It gives way to them: it throws
 * ConflictError then, and the transaction is to be repeated.
 */
export async function removeAccount(ctx: EraseCtx, id: string): Promise<boolean> {
  await store.waitBriefly(ctx, {});
  return removeHeld(ctx, id).catch((error) => {
    throw error instanceof LockTimeoutError ? new ConflictError() : error;
  });
}

async function removeHeld(ctx: EraseCtx, id: string): Promise<boolean> {
  if ((await store.lockAccount(ctx, { id })).length === 0) return false;
  await ctx.erase(ctx, id);
  await store.deleteAccount(ctx, { id });
  await submitErase(ctx, id);
  await ctx.audit.record(ctx, { type: "account.deleted", accountId: id });
  accountRows(ctx).wrote(ctx, id);
  return true;
}
