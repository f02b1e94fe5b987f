import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { ConfigError, readConfig } from "../../server/config.js";
import {
  type Backstay,
  cleanUp,
  databasePid,
  type Facts,
  isDatabaseOf,
  makeHome,
  run,
  type Server,
  startServer,
} from "../acceptance/server-process.js";
import { call } from "../support/backstay.js";
import { createDatabaseOn } from "../support/postgres.js";
import "../support/provided.js";

const TOKEN = /bs_(at|rt|st|op)_[A-Za-z0-9_-]{20,}/;
/** As a terminal would be, for the program that writes to it. */
const TERMINAL = { nodeFlags: ["--import", "data:text/javascript,process.stdout.isTTY=true"] };

// Each starts processes, on whatever else the machine does.
vi.setConfig({ testTimeout: 60_000 });

afterAll(cleanUp);

const shell = async (command: string) => (await promisify(execFile)("sh", ["-c", command])).stdout;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const signIn = (url: string, login: string, secret: string) =>
  call(url, "auth.v1.AuthService/SignIn", { login, secret });

/** Everything that was logged on a home, whoever wrote it. */
function logOf(home: string): string {
  const folder = join(home, "log");
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");
}

/** Runs a command that is expected to fail, and answers how. */
async function failure(words: string[], how: Parameters<typeof run>[1] = {}) {
  const backstay = run(words, how);
  const { code } = await backstay.exit;
  const text = backstay.stderr().trim();
  return { code, line: text, isOneLine: !text.includes("\n"), printed: backstay.lines() };
}

/** What the command line tells, with the code 3, of a configuration that cannot be. */
function configError(cwd: string, home: string, env: Record<string, string> = {}): string {
  try {
    readConfig({ flags: { home }, env, cwd, development: true });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("this configuration can be");
}

describe("a server for development", () => {
  let home: string;
  let server: Server;
  let again: Backstay;
  beforeAll(async () => {
    // All of it works where the path has blanks and other letters.
    home = await makeHome("größe & co ");
    server = await startServer(["dev", "--port", "0", "--home", home]);
  });

  it("prints single JSON lines when asked to: what it runs on, and last that it is ready", () => {
    const [facts, ready] = server.lines().map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(server.lines()).toHaveLength(2);
    expect(ready).toEqual({ ready: true, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) });
    expect(facts).toMatchObject({
      url: server.url,
      home,
      bus: "in-process",
      database: `embedded PostgreSQL 18.4 in ${home}/var/postgres`,
      setupUrl: expect.stringContaining(`${server.url}/setup#bs_st_`),
    });
    expect(server.facts.demo?.map(({ login }) => login)).toEqual(["ada", "ben"]);
  });

  it("gives tokens that work to the demo accounts", async () => {
    for (const { id, token } of server.facts.demo!) {
      const { status, json } = await call(server.url, "auth.v1.AuthService/GetCurrent", {}, bearer(token));
      expect(status).toBe(200);
      expect(json).toMatchObject({ account: { id } });
    }
  });

  it("refuses to start a second time on the same home, and names the process and the URL of the first", async () => {
    const second = await failure(["dev", "--port", "0", "--home", home]);
    expect(second).toEqual({
      code: 1,
      isOneLine: true,
      line: `backstay: ${home} is in use by process ${server.pid}: it answers at ${server.url}`,
      printed: [],
    });
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it("offers a setup link that makes the first administrator, once", async () => {
    const [, setupToken] = server.facts.setupUrl!.split("#");
    const page = await fetch(server.facts.setupUrl!);
    expect(page.status).toBe(200);
    const complete = (login: string) =>
      call(server.url, "auth.v1.AuthService/CompleteSetup", { setupToken, login, secret: "secret of it", name: "It" });
    const first = await complete("boss");
    expect(first.status).toBe(200);
    expect((await signIn(server.url, "boss", "secret of it")).json).toMatchObject({ account: { roles: ["admin"] } });
    expect((await complete("boss2")).status).toBe(401);
    expect((await signIn(server.url, "boss2", "secret of it")).status).toBe(401);
  });

  describe("user create", () => {
    const create = (words: string[], input = "") => {
      const command = run(["user", "create", "--home", home, ...words], { input });
      return command.exit.then(({ code }) => ({ code, printed: command.lines(), complaint: command.stderr().trim() }));
    };

    it("makes an administrator with the secret from standard input", async () => {
      const made = await create(["--admin", "root"], "a secret of root\nand no more\n");
      expect(made).toMatchObject({ code: 0, complaint: "" });
      expect(made.printed).toEqual([expect.stringMatching(/^made the administrator root \([0-9a-f]{32}\)$/)]);
      const { json } = await signIn(server.url, "root", "a secret of root");
      expect(json).toMatchObject({ account: { name: "root", roles: ["admin"] } });
    });

    it("makes up a secret when none comes, and prints it this once", async () => {
      const made = await create(["carl", "--name", "Carl the Great"]);
      const [, secret] = /^secret {2}(\S{16}) {3}\(shown this once\)$/.exec(made.printed[1]!) ?? [];
      const { json } = await signIn(server.url, "carl", secret!);
      expect(json).toMatchObject({ account: { name: "Carl the Great" } });
      expect(json).not.toHaveProperty("account.roles");
      expect(logOf(home)).not.toContain(secret);
    });

    it("answers JSON when asked to", async () => {
      const made = await create(["dora", "--json"]);
      const { id, secret, ...rest } = JSON.parse(made.printed.join()) as Record<string, string>;
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      expect(rest).toEqual({ login: "dora", roles: [] });
      expect((await signIn(server.url, "dora", secret!)).status).toBe(200);
    });

    it("says in one line why an account cannot be made", async () => {
      const taken = await create(["ADA"], "whatever");
      expect(taken).toMatchObject({ code: 7, printed: [] });
      expect(taken.complaint).toMatch(/^backstay: .*login.*$/i);
      expect(taken.complaint).not.toContain("\n");
    });
  });

  it("shows tokens and secrets on standard output only", async () => {
    await fetch(`${server.url}/readyz`);
    const secrets = Object.values(JSON.parse(readFileSync(join(home, "etc/demo.json"), "utf8")) as object) as string[];
    expect(server.lines().join()).toMatch(TOKEN);
    for (const text of [server.stderr(), logOf(home)]) {
      expect(text).not.toMatch(TOKEN);
      for (const secret of secrets) expect(text).not.toContain(secret);
      expect(text).not.toMatch(/secret of|\$argon2/);
    }
    expect(logOf(home)).toContain('"msg":"ready"');
  });

  it("ends in order when it is told to, with its database, and starts again with everything it had", async () => {
    const [ada, ben] = server.facts.demo!;
    const sent = await call(
      server.url,
      "messages.v1.MessageService/SendMessage",
      { recipientId: ben!.id, text: "before the restart" },
      bearer(ada!.token),
    );
    const database = databasePid(home)!;
    expect(isDatabaseOf(database, home)).toBe(true);
    server.signal("SIGTERM");
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(isDatabaseOf(database, home)).toBe(false);
    expect(server.stderr()).toBe("");

    again = run(["dev", "--port", "0", "--home", home]);
    const ready = await again.line((line) => line.startsWith("backstay ready "));
    const url = ready.slice("backstay ready ".length);
    const facts = JSON.parse(again.lines()[0]!) as Facts;
    expect(facts.demo!.map(({ login, id }) => ({ login, id }))).toEqual(
      server.facts.demo!.map(({ login, id }) => ({ login, id })),
    );
    expect(facts).not.toHaveProperty("setupUrl");
    const listed = await call(url, "messages.v1.MessageService/ListMessages", {}, bearer(ben!.token));
    expect(listed.json).toEqual({ messages: [sent.json.message] });
  });

  it("prints one line of JSON and the ready line where nobody looks at it", () => {
    expect(again.lines()).toHaveLength(2);
    const { url } = JSON.parse(again.lines()[0]!) as { url: string };
    expect(again.lines()[1]).toBe(`backstay ready ${url}`);
  });

  it("is missed by a command when it was killed", async () => {
    await again.kill9();
    const homeless = await failure(["user", "create", "--home", home, "ada"]);
    expect(homeless).toMatchObject({ code: 4, isOneLine: true, printed: [] });
    expect(homeless.line).toBe(`backstay: no server runs on ${home}; start it first, or name one with --url`);
  });

  it("refuses a port that is in use and names the flag, and leaves no database behind", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const refused = await failure(["dev", "--port", String(port), "--home", home]);
    expect(refused).toMatchObject({ code: 1, isOneLine: true, printed: [] });
    expect(refused.line).toBe(`backstay: port ${port} is in use; choose another with --port`);
    expect(databasePid(home)).toBeUndefined();
    taken.close();
  });

  it("shows on a screen commands that work as they stand, and again when pasted again, and last the ready line", async () => {
    const shown = run(["dev", "--port", "0", "--home", home], TERMINAL);
    const ready = await shown.line((line) => line.startsWith("backstay ready "));
    expect(ready).toMatch(/^backstay ready http:\/\/127\.0\.0\.1:\d+$/);
    expect(shown.lines().at(-1)).toBe(ready);
    const screen = shown.lines().join("\n");
    expect(screen).toContain(`remove ${home}`);
    expect(screen).toContain(`${home}/log/backstay.log`);

    const [listen, write] = shown.lines().filter((line) => line.includes("    curl "));
    const live = execFile("sh", ["-c", `exec ${listen!.trim()}`]);
    let heard = "";
    live.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
      heard += chunk;
    });
    await expect.poll(() => heard, { timeout: 5_000 }).toContain("ready");
    for (let n = 0; n < 2; n++) {
      expect(JSON.parse(await shell(write!))).toMatchObject({ message: { text: "Hello Ben" } });
    }
    await expect.poll(() => heard.split("Hello Ben").length - 1, { timeout: 2_000 }).toBe(2);
    const told = new Promise((resolve) => live.once("close", resolve));
    shown.signal("SIGINT");
    expect(await shown.exit).toEqual({ code: 0, signal: null });
    await told;
    expect(heard).toContain("goodbye");
  });
});

describe("a server for production", () => {
  it("has no demo accounts, logs to standard error, and shows its setup link on standard output only", async () => {
    const data = await createDatabaseOn(inject("postgres18"), inject("template"));
    const home = await makeHome();
    const server = await startServer(["serve", "--port", "0", "--home", home], { env: { DATABASE_URL: data.url } });
    expect(server.facts).not.toHaveProperty("demo");
    expect(server.facts.database).toBe(`PostgreSQL at ${new URL(data.url).host}`);
    expect(server.facts.setupUrl).toContain("/setup#bs_st_");
    expect((await signIn(server.url, "ada", "anything")).status).toBe(401);
    server.signal("SIGTERM");
    expect(await server.exit).toEqual({ code: 0, signal: null });
    const logged = server
      .stderr()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { msg: string });
    expect(logged.map(({ msg }) => msg)).toEqual(["mails are not sent: set mail.smtp_url", "ready", "call", "stopped"]);
    expect(server.stderr()).not.toMatch(TOKEN);

    const stranger = await failure(["serve", "--port", "0", "--home", await makeHome()], {
      env: { DATABASE_URL: data.url },
    });
    expect(stranger).toMatchObject({ code: 1, printed: [] });
    expect(stranger.line.split("\n").at(-1)).toBe(
      "backstay: the database belongs to an installation with another instance key: give its BACKSTAY_SECRET",
    );
    await data.drop();
  });

  it("says in one line that the database of DATABASE_URL cannot be reached", async () => {
    const port = await unusedPort();
    const away = await failure(["dev", "--port", "0", "--home", await makeHome()], {
      env: { DATABASE_URL: `postgres://somebody:hunter2@127.0.0.1:${port}/nothing` },
    });
    expect(away).toMatchObject({ code: 1, isOneLine: true, printed: [] });
    expect(away.line).toMatch(/^backstay: the database of DATABASE_URL cannot be used \(ECONNREFUSED\)/);
    expect(away.line).not.toContain("hunter2");
  });
});

describe("a start that cannot be", () => {
  it("names the data of another PostgreSQL major and what to do", async () => {
    const home = await makeHome();
    mkdirSync(join(home, "var/postgres"), { recursive: true });
    writeFileSync(join(home, "var/postgres/PG_VERSION"), "17\n");
    const refused = await failure(["dev", "--port", "0", "--home", home]);
    expect(refused).toMatchObject({ code: 1, isOneLine: true, printed: [] });
    expect(refused.line).toMatch(/^backstay: The data folder .* was made by PostgreSQL 17, .* set DATABASE_URL/);
  });

  it("names the Node that is too old and the one that is needed", async () => {
    const old = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.18.3'}})";
    const refused = await failure(["dev"], {
      nodeFlags: ["--import", `data:text/javascript,${encodeURIComponent(old)}`],
    });
    expect(refused).toEqual({
      code: 1,
      isOneLine: true,
      line: "backstay: Node 20.18.3 is too old; 20.19 or newer is needed",
      printed: [],
    });
  });

  it("names the file, the line and the nearest name of a setting that does not exist", async () => {
    const home = await makeHome();
    const cwd = await makeHome();
    mkdirSync(join(home, "etc"));
    writeFileSync(join(home, "etc/config"), "# ours\n\nlog.level = warn\ndatabase.pool-size = 5\n");
    expect(await failure(["dev", "--home", home], { cwd })).toMatchObject({
      code: 3,
      line: `backstay: ${home}/etc/config:4: there is no setting database.pool-size; did you mean database.pool_size?`,
    });

    writeFileSync(join(home, "etc/config"), "");
    const json = { port: 0, auth: { secret_min_length: 4, access_tll: "5m" } };
    writeFileSync(join(cwd, "backstay.config.json"), JSON.stringify(json, null, 2));
    expect(configError(cwd, home)).toBe(
      `${cwd}/backstay.config.json:5: there is no setting auth.access_tll; did you mean auth.access_ttl?`,
    );
  });

  it("names where a value came from that cannot be", async () => {
    const home = await makeHome();
    expect(await failure(["dev", "--home", home, "--port", "many"])).toMatchObject({
      code: 3,
      line: expect.stringMatching(/^backstay: --port: /),
    });
    expect(configError(home, home, { BACKSTAY_EVENTS_HEARTBEAT: "soon" })).toMatch(
      /^BACKSTAY_EVENTS_HEARTBEAT: events\.heartbeat must be a duration such as 5s, 10m or 14d/,
    );
    for (const text of ["{ port: 1 }", "null", "[]", '"port"']) {
      writeFileSync(join(home, "backstay.config.json"), text);
      const line = configError(home, home);
      expect(line).toContain(`${home}/backstay.config.json`);
      expect(line).not.toContain("\n");
    }
  });

  it("answers a word it does not know with the usage and the code 2", async () => {
    const help = run(["--help"]);
    expect(await failure(["dev", "--prot", "1"])).toMatchObject({ code: 2, line: expect.stringContaining("--port") });
    expect(await failure(["sevre"])).toMatchObject({ code: 2, line: expect.stringContaining("serve") });
    expect(await help.exit).toEqual({ code: 0, signal: null });
    expect(help.lines().join("\n")).toContain("dev [options]");
  });

  it("fails with the code 4 when no server runs", async () => {
    const nobody = await makeHome();
    expect(await failure(["user", "create", "--home", nobody, "--admin", "ada"])).toMatchObject({
      code: 4,
      isOneLine: true,
      line: `backstay: no server runs on ${nobody}; start it first, or name one with --url`,
    });
    const url = `http://127.0.0.1:${await unusedPort()}`;
    expect(await failure(["user", "create", "--url", url, "ada"], { env: { BACKSTAY_KEY: "bs_op_x" } })).toMatchObject({
      code: 4,
      isOneLine: true,
      line: expect.stringContaining(url),
    });
  });
});

describe("a server that is told to stop while it starts", () => {
  it.each([
    ["it has taken the home", (home: string) => existsSync(join(home, "tmp/server.json"))],
    ["the database's files are being made", (home: string) => existsSync(join(home, "var/postgres.lock"))],
    ["the database runs", (home: string) => databasePid(home) !== undefined],
  ])("is gone in time, and so is its database, when %s", async (_, reached) => {
    const home = await makeHome();
    const server = run(["dev", "--port", "0", "--home", home]);
    await expect.poll(() => reached(home), { timeout: 40_000, interval: 2 }).toBe(true);
    const before = performance.now();
    server.signal("SIGTERM");
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(server.lines().filter((line) => line.includes("ready"))).toEqual([]);
    expect(server.stderr()).toBe("");
    expect(databasePid(home)).toBeUndefined();
    expect(existsSync(join(home, "tmp/server.json"))).toBe(false);
  });
});

function unusedPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
