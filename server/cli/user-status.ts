import { AccountStatus } from "@backstay/client";
import { findAccount, shown } from "./find-account.js";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visibleJson } from "./visible.js";

/** Bans an account: it is signed out everywhere, and nobody signs in to it. */
export async function banUser(who: string, flags: OperatorFlags & { reason?: string }): Promise<void> {
  const account = await setStatus(who, AccountStatus.BANNED, flags);
  const { id, login } = account;
  console.log(flags.json ? visibleJson({ id, login, status: "banned" }) : `${shown(account)} is banned`);
}

/** Lifts a ban. */
export async function unbanUser(who: string, flags: OperatorFlags): Promise<void> {
  const account = await setStatus(who, AccountStatus.ACTIVE, flags);
  const { id, login } = account;
  console.log(flags.json ? visibleJson({ id, login, status: "active" }) : `${shown(account)} is not banned`);
}

function setStatus(who: string, status: AccountStatus, flags: OperatorFlags & { reason?: string }) {
  return asOperator(flags, async (client) => {
    const id = await findAccount(client, who);
    return (await client.accounts.setAccountStatus({ id, status, reason: flags.reason ?? "" })).account!;
  });
}
