import type { Ctx } from "../../context.js";
import { type AccountRow, changeRole, freshAccount, resolveAccountId } from "../accounts/index.js";
import { tellRights } from "./revoke.js";

/** Gives an account a role. Throws ACCOUNT_NOT_FOUND. */
export function grantRole(ctx: Ctx, input: { id: string; role: string }): Promise<AccountRow> {
  return change(ctx, "grant", input);
}

/** Takes a role from an account, and ends what it opened with it. Throws ACCOUNT_NOT_FOUND, LAST_ADMIN. */
export function revokeRole(ctx: Ctx, input: { id: string; role: string }): Promise<AccountRow> {
  return change(ctx, "revoke", input);
}

async function change(ctx: Ctx, change: "grant" | "revoke", input: { id: string; role: string }): Promise<AccountRow> {
  const id = resolveAccountId(ctx, input.id);
  const { role } = input;
  await ctx.transaction(
    async (tx) => {
      if (!(await changeRole(tx, { id, role, change }))) return;
      await tellRights(tx, id);
      const type = change === "grant" ? "role.granted" : "role.revoked";
      await ctx.audit.record(tx, { type, accountId: id, detail: { role } });
    },
    { retry: 3 },
  );
  return freshAccount(ctx, id);
}
