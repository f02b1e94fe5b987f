import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BackstayClient, createClient, memoryStore } from "@backstay/client";
import { inject } from "vitest";
import { createApp, type Overrides } from "../../server/app.js";
import { readConfig, type SettingName } from "../../server/config.js";
import { createDatabaseOn } from "./postgres.js";

/** A Backstay of one test file: the real one, on a real port, with a database of its own. */
export interface TestBackstay {
  readonly url: string;
  readonly home: string;
  readonly databaseUrl: string;
  readonly setupUrl: string | undefined;
  /** What was logged so far. */
  log(): string;
  /** A client nobody has signed in with. */
  anonymous(): BackstayClient;
  /** Makes an account and a client that is signed in as it. */
  signUp(login?: string): Promise<Person>;
  stop(): Promise<void>;
}

export interface Person {
  id: string;
  login: string;
  secret: string;
  token: string;
  client: BackstayClient;
}

let people = 0;

/** Starts a Backstay on a fresh copy of the migrated database (or on the database of `url`). */
export async function startBackstay(
  settings: Partial<Record<SettingName, string>> = {},
  options: { overrides?: Overrides; development?: boolean } = {},
): Promise<TestBackstay> {
  const home = settings.home ?? mkdtempSync(join(tmpdir(), "backstay-home-"));
  const database =
    settings["database.url"] === undefined
      ? await createDatabaseOn(inject("postgres18"), inject("template"))
      : { url: settings["database.url"], drop: async () => {} };
  const flags = { port: "0", "log.file": join(home, "log", "backstay.log"), ...settings };
  const config = readConfig({
    flags: { ...flags, home, "database.url": database.url },
    env: {},
    cwd: home,
    development: options.development ?? true,
  });
  const app = createApp(config, options.overrides);
  const { url, setupUrl } = await app.start();
  const anonymous = () => createClient(url, { store: memoryStore() });
  return {
    url,
    home,
    databaseUrl: database.url,
    setupUrl,
    log: () => readFileSync(config["log.file"], "utf8"),
    anonymous,
    async signUp(login = `person-${process.pid}-${people++}`) {
      const client = anonymous();
      const secret = `secret of ${login}`;
      await client.accounts.createAccount({ login, secret, name: `Name of ${login}` });
      const { account, tokens } = await client.auth.signIn({ login, secret });
      return { id: account!.id, login, secret, token: tokens!.accessToken, client };
    },
    async stop() {
      await app.stop();
      keepLog(config["log.file"]);
      await database.drop();
      if (settings.home === undefined) rmSync(home, { recursive: true, force: true });
    },
  };
}

/** What no log may hold, whoever wrote the line. */
const SECRETS = /bs_(at|rt|st|ct|op|ak|dt|ft)_[A-Za-z0-9_-]{20,}|\$argon2|secret of |\|[A-Za-z0-9+/]{43}=\|/;

/** Every test that runs a server also reads its log. */
function keepLog(file: string): void {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((text) => SECRETS.test(text));
  if (line !== undefined) throw new Error("the log of this test holds a secret, a hash or a token");
}

/** A unary call by Connect JSON, as curl makes it. */
export async function call(
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Record<string, unknown>; headers: Headers }> {
  const response = await fetch(`${url}/backstay.${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    json: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  };
}
