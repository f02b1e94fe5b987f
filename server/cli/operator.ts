import { type BackstayClient, BackstayError, createClient } from "@backstay/client";
import { readAdminToken, readRunning } from "../app/key-change.js";

/** Which server a command asks, and how it answers. */
export interface OperatorFlags {
  /** The home of the running server. */
  home: string;
  /** A server elsewhere, in place of the home's. */
  url?: string;
  /** The admin token, or an API key, of a server elsewhere. */
  key: string | undefined;
  json?: true;
}

/**
 * Asks a running server as its operator. Throws with the code BACKSTAY_UNREACHABLE when there is none, and what the server says
 * otherwise.
 */
export async function asOperator<T>(flags: OperatorFlags, work: (client: BackstayClient) => Promise<T>): Promise<T> {
  const url = flags.url ?? readRunning(flags.home)?.url;
  if (!url) throw unreachable(`no server runs on ${flags.home}; start it first, or name one with --url`);
  const token = flags.url === undefined ? readAdminToken(flags.home) : flags.key;
  if (token === undefined) throw new Error("set BACKSTAY_KEY to the admin token of that server");
  try {
    return await work(createClient(url, { token }));
  } catch (error) {
    throw BackstayError.is(error, "unavailable") ? unreachable(`no server answers at ${url}`) : error;
  }
}

/** The id of the account with this login, whatever its case. Throws with the code `not_found` when there is none. */
export async function findAccount(client: BackstayClient, login: string): Promise<string> {
  const pattern = login.replace(/[\\%_]/g, "\\$&");
  const filter = { column: "login", op: "ilike", values: [{ kind: { case: "stringValue" as const, value: pattern } }] };
  const { accounts } = login === "" ? { accounts: [] } : await client.accounts.listAccounts({ filters: [filter] });
  const [found, ...others] = accounts;
  if (found === undefined || others.length > 0) {
    throw Object.assign(new Error(`there is no account with the login ${login}`), { code: "not_found" });
  }
  return found.id;
}

function unreachable(message: string): Error {
  return Object.assign(new Error(message), { code: "BACKSTAY_UNREACHABLE" });
}
