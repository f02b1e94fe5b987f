import { randomBytes } from "node:crypto";
import { BackstayError, createClient } from "@backstay/client";
import { readAdminToken, readRunning } from "../app.js";

interface Flags {
  admin?: true;
  name?: string;
  home: string;
  url?: string;
  key: string | undefined;
  json?: true;
}

/** Makes an account through the running server. A secret that nobody typed is made up and shown this once. */
export async function createUser(login: string, flags: Flags): Promise<void> {
  const url = flags.url ?? readRunning(flags.home)?.url;
  if (!url) throw unreachable(`no server runs on ${flags.home}; start it first, or name one with --url`);
  const token = flags.url === undefined ? readAdminToken(flags.home) : flags.key;
  if (token === undefined) throw new Error("set BACKSTAY_KEY to the admin token of that server");
  const typed = process.stdin.isTTY ? "" : await readLine();
  const secret = typed || randomBytes(12).toString("base64url");
  const client = createClient(url, { token });
  const roles = flags.admin ? ["admin"] : [];
  const account = await client.accounts.createAccount({ login, secret, name: flags.name ?? login, roles }).then(
    (made) => made.account!,
    (error) => {
      throw BackstayError.is(error, "unavailable") ? unreachable(`no server answers at ${url}`) : error;
    },
  );
  if (flags.json) {
    console.log(JSON.stringify({ id: account.id, login, roles, ...(typed === "" && { secret }) }));
    return;
  }
  console.log(`made ${flags.admin ? "the administrator" : "the account"} ${login} (${account.id})`);
  if (typed === "") console.log(`secret  ${secret}   (shown this once)`);
}

async function readLine(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) text += chunk;
  return text.split(/\r?\n/, 1)[0]!;
}

function unreachable(message: string): Error {
  return Object.assign(new Error(message), { code: "BACKSTAY_UNREACHABLE" });
}
