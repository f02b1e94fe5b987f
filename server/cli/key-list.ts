import { type ApiKeyInfo, timestampDate } from "@backstay/client";
import { findAccount } from "./find-account.js";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visible, visibleJson } from "./visible.js";

/** Names the installation where an account is asked for. */
const INSTALLATION = "-";

/** Lists the API keys of the installation, or of an account, without the keys themselves. */
export async function listKeys(flags: OperatorFlags & { account?: string }): Promise<void> {
  const keys = await asOperator(flags, async (client) => {
    const accountId = flags.account === undefined ? INSTALLATION : await findAccount(client, flags.account);
    const all: ApiKeyInfo[] = [];
    let pageToken = "";
    do {
      const page = await client.auth.listApiKeys({ accountId, pageSize: 500, pageToken });
      all.push(...page.apiKeys);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return all;
  });
  if (flags.json) console.log(visibleJson({ keys: keys.map(toJson) }));
  else for (const key of keys) console.log(toLine(key));
}

function toJson({ id, name, accountId, scopes, createTime, expireTime, lastUseTime }: ApiKeyInfo) {
  return {
    id,
    name,
    ...(accountId && { accountId }),
    scopes,
    createTime: toText(createTime),
    expireTime: toText(expireTime),
    lastUseTime: toText(lastUseTime),
  };
}

function toLine({ id, name, scopes, expireTime, lastUseTime }: ApiKeyInfo): string {
  const ends = expireTime ? `ends ${toText(expireTime)}` : "never ends";
  const used = lastUseTime ? `used ${toText(lastUseTime)}` : "never used";
  // In quotes, or a name could pass for what is printed beside it.
  const called = name === "" ? "(no name)" : JSON.stringify(name);
  return visible([id, called, scopes.join(","), ends, used].join("  "));
}

function toText(time: ApiKeyInfo["createTime"]): string | undefined {
  return time && timestampDate(time).toISOString();
}
