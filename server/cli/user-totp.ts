import { asOperator, findAccount, type OperatorFlags } from "./operator.js";

/** Turns off the authenticator of an account: its secret alone signs in again. */
export async function resetTotp(login: string, flags: OperatorFlags): Promise<void> {
  const account = await asOperator(flags, async (client) => {
    const accountId = await findAccount(client, login);
    await client.auth.disableTotp({ accountId });
    return (await client.accounts.getAccount({ id: accountId })).account!;
  });
  const { id, login: found } = account;
  console.log(flags.json ? JSON.stringify({ id, login: found }) : `${found} (${id}) has no authenticator`);
}
