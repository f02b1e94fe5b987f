import { type Account, type BackstayClient, BackstayError } from "@backstay/client";
import { parseId } from "../kernel/ids.js";
import { visible } from "./visible.js";

/** Says of the id behind it that it is one, and no login of the same letters. */
const AS_ID = "id:";

type Filters = NonNullable<NonNullable<Parameters<BackstayClient["accounts"]["listAccounts"]>[0]>["filters"]>;

/**
 * The id of the account that an operator means: by its login as SignIn takes it, by its id, or by an e-mail address it has
 * verified. Throws with the code `not_found` when there is none, and BACKSTAY_AMBIGUOUS for the id of one account that is the
 * login of another: people choose their logins, and are not to choose who is banned in their place.
 */
export async function findAccount(client: BackstayClient, word: string): Promise<string> {
  const idAlone = word.startsWith(AS_ID) ? parseId(word.slice(AS_ID.length)) : undefined;
  const id = idAlone ?? parseId(word);
  const byId = id === undefined ? undefined : await accountOf(client, id);
  const byName = word === "" || idAlone !== undefined ? undefined : await accountCalled(client, word);
  if (byId !== undefined && byName !== undefined && byId !== byName) throw ambiguous(word, byId, byName);
  const found = byId ?? byName;
  if (found !== undefined) return found;
  const message = `there is no account with the login ${word}, nor with that id or verified e-mail address`;
  throw Object.assign(new Error(message), { code: "not_found" });
}

/** An account as its operator is told of it; one without a login by its name. */
export function shown({ id, login, name }: Account): string {
  return visible(`${login || name} (${id})`);
}

async function accountOf(client: BackstayClient, id: string): Promise<string | undefined> {
  try {
    return (await client.accounts.getAccount({ id })).account!.id;
  } catch (error) {
    if (BackstayError.is(error, "ACCOUNT_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function accountCalled(client: BackstayClient, word: string): Promise<string | undefined> {
  const first = async (filters: Filters) => (await client.accounts.listAccounts({ filters })).accounts[0]?.id;
  const byLogin = await first([where("login", "eq", word)]);
  if (byLogin !== undefined || !word.includes("@")) return byLogin;
  const pattern = word.normalize("NFKC").replace(/[\\%_]/g, "\\$&");
  return first([where("email", "ilike", pattern), where("email_verified", "eq", "true")]);
}

function where(column: string, op: string, value: string): Filters[number] {
  return { column, op, values: [{ kind: { case: "stringValue", value } }] };
}

function ambiguous(word: string, byId: string, byName: string): Error {
  const message = `${word} is the id of one account and the login of another: name the first as ${AS_ID}${byId}, the other as ${byName}`;
  return Object.assign(new Error(message), { code: "BACKSTAY_AMBIGUOUS" });
}
