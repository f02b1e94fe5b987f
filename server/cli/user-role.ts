import type { Account } from "@backstay/client";
import { findAccount, shown } from "./find-account.js";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visibleJson } from "./visible.js";

const ADMIN = "admin";

/** Makes an account an administrator. */
export async function promoteUser(who: string, flags: OperatorFlags): Promise<void> {
  const account = await asOperator(flags, async (client) => {
    const id = await findAccount(client, who);
    return (await client.auth.grantRole({ id, role: ADMIN })).account!;
  });
  tell(flags, account, `${shown(account)} is an administrator`);
}

/** Takes an administrator's rights away. */
export async function demoteUser(who: string, flags: OperatorFlags): Promise<void> {
  const account = await asOperator(flags, async (client) => {
    const id = await findAccount(client, who);
    return (await client.auth.revokeRole({ id, role: ADMIN })).account!;
  });
  tell(flags, account, `${shown(account)} is no administrator`);
}

function tell({ json }: OperatorFlags, { id, login, roles }: Account, words: string): void {
  console.log(json ? visibleJson({ id, login, roles }) : words);
}
