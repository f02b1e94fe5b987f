import { timestampFromDate } from "@backstay/client";
import { findAccount } from "./find-account.js";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visible, visibleJson } from "./visible.js";

interface Flags extends OperatorFlags {
  name?: string;
  /** What the key may do. */
  scope: string[];
  /** The account it is to act for, by what names one; the installation when absent. */
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
  if (flags.json) {
    console.log(visibleJson({ id: apiKey!.id, key }));
    return;
  }
  console.log(visible(`id   ${apiKey!.id}`));
  console.log(visible(`key  ${key}   (shown this once)`));
}
