import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BackstayClient, BackstayError, createClient, memoryStore } from "@backstay/client";

/** A demo account with a fresh token. */
export interface DemoAccount {
  login: string;
  id: string;
  token: string;
}

interface DemoPerson {
  login: string;
  name: string;
}

const PEOPLE: readonly DemoPerson[] = [
  { login: "ada", name: "Ada" },
  { login: "ben", name: "Ben" },
];

/** Signs the two demo accounts in, and makes them at the first start. Their secrets are drawn once and stay in the home. */
export async function signInDemo(url: string, home: string): Promise<DemoAccount[]> {
  const file = join(home, "etc", "demo.json");
  // Without their secrets there are no such accounts: nobody tries to sign in, which would be a failure in the audit log.
  const isFirst = !existsSync(file);
  if (isFirst) drawSecrets(file);
  const secrets = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
  return Promise.all(
    PEOPLE.map(async ({ login, name }) => {
      const client = createClient(url, { store: memoryStore() });
      const person = { login, name, secret: secrets[login]! };
      const { account, tokens } = await (isFirst ? makeFirst(client, person) : signIn(client, person));
      return { login, id: account!.id, token: tokens!.accessToken };
    }),
  );
}

/** An account that is not there, as the database is another or the first start was killed, is made. */
async function signIn(client: BackstayClient, person: DemoPerson & { secret: string }) {
  try {
    return await client.auth.signIn({ login: person.login, secret: person.secret });
  } catch (error) {
    if (!BackstayError.is(error, "unauthenticated")) throw error;
    return makeFirst(client, person);
  }
}

async function makeFirst(client: BackstayClient, person: DemoPerson & { secret: string }) {
  await client.accounts.createAccount(person);
  return client.auth.signIn({ login: person.login, secret: person.secret });
}

function drawSecrets(file: string): void {
  const drawn = Object.fromEntries(PEOPLE.map(({ login }) => [login, randomBytes(18).toString("base64url")]));
  // A start that is killed here leaves no half of it.
  writeFileSync(`${file}.new`, JSON.stringify(drawn), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
