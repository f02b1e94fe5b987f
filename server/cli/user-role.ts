import { asOperator, findAccount, type OperatorFlags } from "./operator.js";

const ADMIN = "admin";

/** Makes an account an administrator. */
export async function promoteUser(login: string, flags: OperatorFlags): Promise<void> {
  const account = await asOperator(flags, async (client) => {
    const id = await findAccount(client, login);
    return (await client.auth.grantRole({ id, role: ADMIN })).account!;
  });
  tell(flags, account, `${account.login} (${account.id}) is an administrator`);
}

/** Takes an administrator's rights away. */
export async function demoteUser(login: string, flags: OperatorFlags): Promise<void> {
  const account = await asOperator(flags, async (client) => {
    const id = await findAccount(client, login);
    return (await client.auth.revokeRole({ id, role: ADMIN })).account!;
  });
  tell(flags, account, `${account.login} (${account.id}) is no administrator`);
}

function tell({ json }: OperatorFlags, account: { id: string; login: string; roles: string[] }, words: string): void {
  const { id, login, roles } = account;
  console.log(json ? JSON.stringify({ id, login, roles }) : words);
}
