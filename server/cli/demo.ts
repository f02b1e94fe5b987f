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

const PEOPLE = [
  { login: "ada", name: "Ada" },
  { login: "ben", name: "Ben" },
];

/** Signs the two demo accounts in, and makes them at the first start. Their secrets are drawn once and stay in the home. */
export async function signInDemo(url: string, home: string): Promise<DemoAccount[]> {
  const secrets = readSecrets(join(home, "etc", "demo.json"));
  return Promise.all(PEOPLE.map((person) => signIn(url, person, secrets[person.login]!)));
}

async function signIn(url: string, person: { login: string; name: string }, secret: string): Promise<DemoAccount> {
  const client = createClient(url, { store: memoryStore() });
  const credentials = { login: person.login, secret };
  const signedIn = await client.auth.signIn(credentials).catch((error) => makeFirst(client, error, person, secret));
  return { login: person.login, id: signedIn.account!.id, token: signedIn.tokens!.accessToken };
}

async function makeFirst(
  client: BackstayClient,
  error: unknown,
  person: { login: string; name: string },
  secret: string,
) {
  if (!BackstayError.is(error, "unauthenticated")) throw error;
  await client.accounts.createAccount({ ...person, secret });
  return client.auth.signIn({ login: person.login, secret });
}

function readSecrets(file: string): Record<string, string> {
  if (!existsSync(file)) {
    const drawn = Object.fromEntries(PEOPLE.map(({ login }) => [login, randomBytes(18).toString("base64url")]));
    // A start that is killed here leaves no half of it.
    writeFileSync(`${file}.new`, JSON.stringify(drawn), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
}
