import { randomBytes } from "node:crypto";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visible, visibleJson } from "./visible.js";

interface Flags extends OperatorFlags {
  admin?: true;
  name?: string;
}

/** Makes an account through the running server. A secret that nobody typed is made up and shown this once. */
export async function createUser(login: string, flags: Flags): Promise<void> {
  const roles = flags.admin ? ["admin"] : [];
  let typed = "";
  let secret = "";
  const account = await asOperator(flags, async (client) => {
    typed = process.stdin.isTTY ? "" : await readLine();
    secret = typed || randomBytes(12).toString("base64url");
    const made = await client.accounts.createAccount({ login, secret, name: flags.name ?? login, roles });
    return made.account!;
  });
  if (flags.json) {
    console.log(visibleJson({ id: account.id, login, roles, ...(typed === "" && { secret }) }));
    return;
  }
  console.log(visible(`made ${flags.admin ? "the administrator" : "the account"} ${login} (${account.id})`));
  if (typed === "") console.log(`secret  ${secret}   (shown this once)`);
}

async function readLine(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) text += chunk;
  return text.split(/\r?\n/, 1)[0]!;
}
