import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { changeEvent } from "./change-event.js";
import { accountRows, freshAccount, resolveAccountId } from "./service.js";
import type { AccountRow } from "./store.js";
import * as store from "./store-rights.js";

/** Whether an account may be used. */
export type AccountStatus = AccountRow["status"];

/** Bans an account, or lifts its ban. Throws ACCOUNT_NOT_FOUND, LAST_ADMIN. */
export async function setAccountStatus(
  ctx: Ctx,
  input: { id: string; status: AccountStatus; reason: string },
): Promise<AccountRow> {
  const id = resolveAccountId(ctx, input.id);
  const { status, reason } = input;
  await ctx.transaction(
    async (tx) => {
      if (status === "banned") await keepAnAdmin(tx, id);
      const changed = await store.setStatus(tx, { id, status, at: ctx.clock.now() });
      if (changed.length === 0) return;
      // Its keys and signatures are remembered too, as good for something or not.
      await ctx.signIns[status === "banned" ? "endAll" : "rightsChanged"](tx, id);
      await ctx.audit.record(tx, { type: "account.status_changed", accountId: id, detail: { status, reason } });
      accountRows(tx).wrote(tx, id);
    },
    { retry: 3 },
  );
  return freshAccount(ctx, id);
}

/**
 * Gives an account a role, or takes one from it, in the caller's transaction; answers whether that changed anything. Throws
 * ACCOUNT_NOT_FOUND, LAST_ADMIN.
 */
export async function changeRole(
  ctx: Ctx,
  input: { id: string; role: string; change: "grant" | "revoke" },
): Promise<boolean> {
  const { id, role, change } = input;
  if (change === "revoke" && role === "admin") await keepAnAdmin(ctx, id);
  const write = change === "grant" ? store.addRole : store.removeRole;
  const changed = await write(ctx, { id, role, ...changeEvent(ctx, id, ["roles"]) });
  if (changed.length === 0) {
    await freshAccount(ctx, id);
    return false;
  }
  accountRows(ctx).wrote(ctx, id);
  ctx.afterCommit(() => ctx.events.wake());
  return true;
}

/** The roles of each of some accounts, as the database has them now. */
export async function fetchRoles(from: Pick<Ctx, "db">, ids: string[]): Promise<Map<string, string[]>> {
  const found = await store.findRoles(from, { ids });
  return new Map(found.map(({ id, roles }) => [id, roles]));
}

/** Throws LAST_ADMIN when nobody but the account, which is to go, could do everything. Runs in the caller's transaction. */
export async function keepAnotherAdmin(ctx: Pick<Ctx, "db">, id: string): Promise<void> {
  // Most are none, and they need not wait for each other.
  if ((await store.lockOtherThanAdmin(ctx, { id })).length === 0) await keepAnAdmin(ctx, id);
}

/** Throws LAST_ADMIN when nobody but the account could do everything, and holds those who can. The operator is no account. */
async function keepAnAdmin(ctx: Pick<Ctx, "db">, id: string): Promise<void> {
  const admins = (await store.lockAdmins(ctx, {})).map((admin) => admin.id);
  if (admins.length === 1 && admins[0] === id) throw new DomainError("LAST_ADMIN");
}
