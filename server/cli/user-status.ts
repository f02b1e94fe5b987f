import { AccountStatus } from "@backstay/client";
import { asOperator, findAccount, type OperatorFlags } from "./operator.js";

/** Bans an account: it is signed out everywhere, and nobody signs in to it. */
export async function banUser(login: string, flags: OperatorFlags & { reason?: string }): Promise<void> {
  const { id, login: found } = await setStatus(login, AccountStatus.BANNED, flags);
  console.log(flags.json ? JSON.stringify({ id, login: found, status: "banned" }) : `${found} (${id}) is banned`);
}

/** Lifts a ban. */
export async function unbanUser(login: string, flags: OperatorFlags): Promise<void> {
  const { id, login: found } = await setStatus(login, AccountStatus.ACTIVE, flags);
  console.log(flags.json ? JSON.stringify({ id, login: found, status: "active" }) : `${found} (${id}) is not banned`);
}

function setStatus(login: string, status: AccountStatus, flags: OperatorFlags & { reason?: string }) {
  return asOperator(flags, async (client) => {
    const id = await findAccount(client, login);
    return (await client.accounts.setAccountStatus({ id, status, reason: flags.reason ?? "" })).account!;
  });
}
