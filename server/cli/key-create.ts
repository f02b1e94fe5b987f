import { timestampFromDate } from "@backstay/client";
import { asOperator, findAccount, type OperatorFlags } from "./operator.js";

interface Flags extends OperatorFlags {
  name?: string;
  /** What the key may do. */
  scope: string[];
  /** The login of the account it is to act for; the installation when absent. */
  account?: string;
  /** Milliseconds until it ends; never when absent. */
  expires?: number;
}

/** Makes an API key through the running server, and prints it this once. */
export async function createKey(flags: Flags): Promise<void> {
  const { name = "", scope: scopes, expires } = flags;
  const { apiKey, key } = await asOperator(flags, async (client) => {
    const accountId = flags.account === undefined ? "" : await findAccount(client, flags.account);
    const expireTime = expires === undefined ? undefined : timestampFromDate(new Date(Date.now() + expires));
    return client.auth.createApiKey({ name, scopes, accountId, ...(expireTime && { expireTime }) });
  });
  if (flags.json) console.log(JSON.stringify({ id: apiKey!.id, key }));
  else console.log(`id   ${apiKey!.id}\nkey  ${key}   (shown this once)`);
}
