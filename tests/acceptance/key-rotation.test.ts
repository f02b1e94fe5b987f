import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { type InstanceKey, instanceKey } from "../../server/kernel/instance-key.js";
import { eventually } from "../domains/support.js";
import { connectJson } from "../support/http-request.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import { sign } from "../support/sign.js";
import "../support/provided.js";
import { type Backstay, cleanUp, makeHome, run, type Server, startServer } from "./server-process.js";

// A change of the instance key as an operator makes it: by the command, while a server runs.

vi.setConfig({ testTimeout: 180_000 });

const CREATE = "accounts.v1.AccountService/CreateAccount";
const UPDATE = "accounts.v1.AccountService/UpdateAccount";
const CURRENT = "auth.v1.AuthService/GetCurrent";
const LOGIN = "key-signer";
const SECRET = `secret of ${LOGIN}`;

let data: TestDatabase;
let home: string;
let sql: postgres.Sql;
const servers = new Set<Server>();
beforeEach(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  home = await makeHome();
  sql = postgres(data.url, { max: 1, onnotice: () => {} });
});
afterEach(async () => {
  for (const server of servers) if (server.isRunning()) await server.kill9();
  servers.clear();
  await sql.end({ timeout: 1 });
  await data.drop();
});
afterAll(cleanUp);

const environment = () => ({
  DATABASE_URL: data.url,
  BACKSTAY_LIMITS_RATE: "off",
  BACKSTAY_LOG_LEVEL: "warn",
  BACKSTAY_AUTH_REFRESH_GRACE: "5m",
});
const serve = async (words: string[] = [], env: Record<string, string> = {}): Promise<Server> => {
  const how = { env: { ...environment(), ...env } };
  const server = await startServer(["serve", "--port", "0", "--home", home, ...words], how);
  servers.add(server);
  return server;
};
const stop = async (server: Server) => {
  server.signal("SIGTERM");
  expect(await server.exit).toMatchObject({ code: 0 });
};
/** Runs a command of `backstay key` to its end. */
const key = async (word: string, words: string[] = [], env: Record<string, string> = {}) => {
  const command = run(["key", word, "--home", home, ...words], { env });
  const { code } = await command.exit;
  return {
    code,
    lines: command.lines(),
    stderr: command.stderr(),
    said: `${command.lines().join("\n")}${command.stderr()}`,
  };
};
const status = async () => JSON.parse((await key("status", ["--json"])).lines[0]!);

const file = (name: string) => join(home, "etc", name);
const secretIn = (name: string) => readFileSync(file(name), "utf8").trim();
const keyIn = (name: string) => instanceKey(Buffer.from(secretIn(name), "hex"));

async function makeSigner(server: Server): Promise<string> {
  const account = { login: LOGIN, secret: SECRET, name: "S", signatures: true };
  const { json } = await connectJson(server.url, CREATE, account);
  return json.account.id;
}

/** A signed change, told apart by the moment it expires; the same is the same request. */
function change(server: Server, expires: number) {
  const body = { account: { phone: String(expires) }, updateMask: "phone" };
  return signed(server, UPDATE, body, expires);
}

function signed(server: Server, path: string, body: object = {}, expires = Date.now() + 60_000) {
  const [method, contentType] = ["POST", "application/json"];
  const url = `${server.url}/backstay.${path}`;
  const text = JSON.stringify(body);
  const header = sign({ login: LOGIN, secret: SECRET, method, contentType, body: text, url, expires });
  return connectJson(server.url, path, body, { "bk-signature": header });
}

async function signIn(server: Server): Promise<string> {
  const { json } = await connectJson(server.url, "auth.v1.AuthService/SignIn", { login: LOGIN, secret: SECRET });
  return json.tokens.refreshToken;
}

async function refresh(server: Server, refreshToken: string): Promise<{ refreshToken: string; accessToken: string }> {
  const { status, json } = await connectJson(server.url, "auth.v1.AuthService/Refresh", { refreshToken });
  if (status !== 200) throw new Error(`a refresh was refused: ${JSON.stringify(json)}`);
  return json.tokens;
}

/** More accounts, whose sealed secrets take a while to be sealed anew. */
async function fill(count: number, under: InstanceKey): Promise<void> {
  const rows = Array.from({ length: count }, () => {
    const id = randomUUID().replaceAll("-", "");
    return { id, sealed: under.seal("signing-secret", "filled", id).toString("hex") };
  });
  await sql`with given as (select * from jsonb_to_recordset(${sql.json(rows)}) as r (id uuid, sealed text)),
    made as (
      insert into backstay.accounts
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select id, 'A', 'A', '', '', '', '', '', '{}', now(), now() from given
    )
    insert into backstay.identities (id, account_id, kind, subject, label, secret_phc, secret_sealed, created_at)
    select id, id, 'login', id::text, id::text, 'phc', decode(sealed, 'hex'), now() from given`;
}

/** How many seals are under a key. */
async function countUnder(one: InstanceKey): Promise<number> {
  const [row] = await sql`select count(*)::int as count from backstay.identities
    where substr(secret_sealed, 1, 5) = ${one.sealPrefix}`;
  return row!.count;
}

/** The same, where the key opens all of those. */
async function sealedUnder(one: InstanceKey): Promise<number> {
  const rows = await sql`select account_id, secret_sealed from backstay.identities
    where substr(secret_sealed, 1, 5) = ${one.sealPrefix}`;
  for (const row of rows) {
    const plain = one.open("signing-secret", row.secret_sealed, row.account_id.replaceAll("-", ""));
    expect(["filled", SECRET]).toContain(plain);
  }
  return rows.length;
}

/** What an operator sees must name no key. */
function hidesSecrets({ said }: { said: string }): void {
  for (const name of ["secret", "secret.previous", "secret.new"]) {
    if (existsSync(file(name))) expect(said).not.toContain(secretIn(name));
  }
}

describe("backstay key rotate-master", () => {
  it("changes the key under a running server: nobody is signed out, signatures go on, and then the old key may go", async () => {
    let server = await serve();
    await makeSigner(server);
    const old = keyIn("secret");
    await fill(2_200, old);
    const [used, idle] = [await signIn(server), await signIn(server)];
    const child = await refresh(server, used);
    const spent = Date.now() + 80_000;
    expect((await change(server, spent)).status).toBe(200);

    const rotated = await key("rotate-master");
    expect([rotated.code, rotated.stderr]).toEqual([0, expect.stringContaining("sealed values are left")]);
    const current = keyIn("secret");
    expect(current.fingerprint).not.toBe(old.fingerprint);
    expect(rotated.lines[0]).toContain(`now ${current.fingerprint}; the one before, ${old.fingerprint},`);
    expect(rotated.lines.at(-1)).toContain(`${file("secret.previous")} may go`);
    hidesSecrets(rotated);
    expect(await sealedUnder(current)).toBe(2_201);

    // The server runs as before.
    expect((await refresh(server, used)).refreshToken).toBe(child.refreshToken);
    const next = await refresh(server, child.refreshToken);
    expect((await signed(server, CURRENT)).json.account.name).toBe("S");
    expect((await change(server, spent)).reason).toBe("SIGNATURE_REPLAYED");

    expect(await status()).toEqual({
      running: true,
      current: current.fingerprint,
      previous: [old.fingerprint],
      left: { "identities.secret_sealed": 0, "totp.secret_sealed": 0, "api_keys.key_sealed": 0 },
      previousMayGo: true,
    });
    const shown = await key("status");
    expect(shown.lines.at(-1)).toContain(`${file("secret.previous")} may go`);
    hidesSecrets(shown);

    // Whatever is removed, a restart finds all it needs.
    await stop(server);
    rmSync(file("secret.previous"));
    server = await serve();
    expect((await signed(server, CURRENT)).json.account.name).toBe("S");
    expect((await change(server, spent)).reason).toBe("SIGNATURE_REPLAYED");
    expect((await change(server, spent + 1)).status).toBe(200);
    expect((await refresh(server, next.refreshToken)).accessToken).toMatch(/^bs_at_/);
    expect((await refresh(server, idle)).accessToken).toMatch(/^bs_at_/);
    expect(await status()).toMatchObject({ current: current.fingerprint, previous: [], previousMayGo: true });
    await stop(server);
  });

  it("signs nobody out while several processes take the new key each in its own time", async () => {
    const server = await serve(["--workers", "2"]);
    await makeSigner(server);
    const rotating = key("rotate-master");
    let isDone = false;
    void rotating.then(() => {
      isDone = true;
    });
    const walk = async () => {
      let held = await signIn(server);
      let more = 20;
      while (more > 0) {
        if (isDone) more--;
        // The repeat may reach the other process, which has to find what the first one made.
        const [next, again] = await Promise.all([refresh(server, held), refresh(server, held)]);
        expect(again.refreshToken).toBe(next.refreshToken);
        expect((await refresh(server, held)).refreshToken).toBe(next.refreshToken);
        held = next.refreshToken;
        expect((await signed(server, CURRENT)).status).toBe(200);
      }
    };
    await Promise.all([walk(), walk()]);
    expect((await rotating).code).toBe(0);
    await stop(server);
  });

  it("goes on with sealing after the server was killed in the middle, and loses nothing", async () => {
    // What a dead server was at is taken up when its lease is over.
    const lease = { BACKSTAY_JOBS_LEASE: "3s" };
    const server = await serve([], lease);
    await makeSigner(server);
    const old = keyIn("secret");
    await fill(20_000, old);
    const rotating = run(["key", "rotate-master", "--home", home]);
    const current = await eventually(20_000, "some are sealed under the new key", async () => {
      if (!existsSync(file("secret.previous"))) return undefined;
      const one = keyIn("secret");
      if (one.fingerprint === old.fingerprint) return undefined;
      return (await countUnder(one)) > 0 ? one : undefined;
    });
    await server.kill9();
    expect((await rotating.exit).code).toBe(4);
    hidesSecrets({ said: rotating.stderr() });
    const [done, left] = [await sealedUnder(current), await sealedUnder(old)];
    expect(done + left).toBe(20_001);

    const again = await serve([], lease);
    expect((await signed(again, CURRENT)).json.account.name).toBe("S");
    await eventually(30_000, "nothing is under the old key", async () =>
      (await countUnder(old)) === 0 ? true : undefined,
    );
    await eventually(30_000, "the old key may go", async () => ((await status()).previousMayGo ? true : undefined));
    expect(await sealedUnder(current)).toBe(20_001);
    await stop(again);
  });

  it("changes nothing while the change before it is not over, and says why; with a key of others' no server starts", async () => {
    await stop(await serve());
    const own = secretIn("secret");
    writeFileSync(file("secret"), `${"12".repeat(32)}\n`, { mode: 0o600 });
    const stranger: Backstay = run(["serve", "--port", "0", "--home", home], { env: environment() });
    expect(await stranger.exit).toMatchObject({ code: 1 });
    expect(stranger.stderr()).toContain("another instance key");
    writeFileSync(file("secret"), `${own}\n`, { mode: 0o600 });

    const rotated = await key("rotate-master");
    expect([rotated.code, rotated.lines.at(-1)]).toEqual([0, expect.stringContaining("start the server")]);
    const files = () => [secretIn("secret"), secretIn("secret.previous")];
    const before = files();
    const second = await key("rotate-master");
    expect(second).toMatchObject({ code: 1, lines: [], stderr: expect.stringContaining("nothing was changed") });
    expect((await key("status")).lines.at(-1)).toContain("no server runs here");

    const again = await serve();
    // Something that still needs the old key, for longer than this takes: its row is being changed.
    await makeSigner(again);
    const old = instanceKey(Buffer.from(before[1]!, "hex"));
    const held = postgres(data.url, { max: 1, onnotice: () => {} });
    const [row] = await sql`select id, account_id from backstay.identities limit 1`;
    const sealed = old.seal("signing-secret", SECRET, row!.account_id.replaceAll("-", ""));
    // The server seals it anew as soon as it sees it: whoever locks it before that has it under the old key.
    await eventually(20_000, "the row is held under the old key", async () => {
      await sql`update backstay.identities set secret_sealed = ${sealed} where id = ${row!.id}`;
      await held`begin`;
      const [now] = await held`select secret_sealed from backstay.identities where id = ${row!.id} for update`;
      if (sealed.equals(now!.secret_sealed)) return true;
      await held`rollback`;
      return undefined;
    });
    const third = await key("rotate-master");
    expect(third).toMatchObject({
      code: 1,
      lines: [],
      stderr: expect.stringContaining("1 sealed values still need it"),
    });
    expect(files()).toEqual(before);
    await held`rollback`;
    await held.end();
    for (const refusal of [second, third]) hidesSecrets(refusal);
    await stop(again);
  });

  it("refuses where settings give the key, draws one for them into a file, and says what to do with it", async () => {
    const given = "ef".repeat(32);
    const refusal = await key("rotate-master", [], { BACKSTAY_SECRET: given });
    expect(refusal.code).toBe(1);
    expect(refusal.stderr).toContain("BACKSTAY_SECRET_PREVIOUS = the new one");
    expect(refusal.stderr).toContain(file("secret.new"));
    expect(secretIn("secret.new")).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(file("secret.new")).mode & 0o777).toBe(0o600);
    expect(existsSync(file("secret"))).toBe(false);
    expect(refusal.said).not.toContain(given);
    hidesSecrets(refusal);

    const server = await serve([], { BACKSTAY_SECRET: given });
    // A file that this server has nothing to do with.
    writeFileSync(file("secret"), `${"ab".repeat(32)}\n`, { mode: 0o600 });
    const other = await key("rotate-master");
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("does not have its key from") });
    expect(secretIn("secret")).toBe("ab".repeat(32));
    await stop(server);
  });

  it("has nothing to change where no server has ever started", async () => {
    const refusal = await key("rotate-master");
    expect(refusal).toMatchObject({ code: 1, stderr: expect.stringContaining("has no instance key") });
    expect(await key("status")).toMatchObject({ code: 1, stderr: expect.stringContaining("has no instance key") });
    expect(existsSync(file("secret"))).toBe(false);
  });
});
