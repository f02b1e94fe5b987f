import { findAccount, shown } from "./find-account.js";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visibleJson } from "./visible.js";

/** Turns off the authenticator of an account: its secret alone signs in again. */
export async function resetTotp(who: string, flags: OperatorFlags): Promise<void> {
  const account = await asOperator(flags, async (client) => {
    const accountId = await findAccount(client, who);
    await client.auth.disableTotp({ accountId });
    return (await client.accounts.getAccount({ id: accountId })).account!;
  });
  const { id, login } = account;
  console.log(flags.json ? visibleJson({ id, login }) : `${shown(account)} has no authenticator`);
}
