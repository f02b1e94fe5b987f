import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HomeTaken, openHome, readAdminToken, readRunning } from "../../server/platform/home.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let path: string;
const processes: ReturnType<typeof spawn>[] = [];
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "backstay-home-test-")), "home");
});
afterEach(() => {
  for (const child of processes.splice(0)) child.kill("SIGKILL");
  rmSync(join(path, ".."), { recursive: true, force: true });
});

const modeOf = (name: string) => (statSync(join(path, name)).mode & 0o777).toString(8);
const pidFile = () => join(path, "tmp", "server.json");

/** Runs these statements, which know `home`, `path` and `say`, in a process of its own; it then lives until it is killed. */
function elsewhere(statements: string) {
  const module = JSON.stringify(new URL("../../server/platform/home.ts", import.meta.url).href);
  const code = `
    const { openHome } = await import(${module});
    const path = process.argv[1];
    const say = (text) => process.stdout.write(text + "\\n");
    ${statements}
    setInterval(() => {}, 1000);`;
  const args = ["--import", "tsx", "--input-type=module", "-e", code, path];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  processes.push(child);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return {
    child,
    says: (count: number) =>
      expect.poll(() => text.split("\n").length - 1, { timeout: 15_000, interval: 5 }).toBeGreaterThanOrEqual(count),
    text: () => text.trim(),
    async kill9() {
      const gone = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await gone;
    },
  };
}

describe("a home", () => {
  it("is made where there is none, its secrets for its owner only and its folders open to the database's user", () => {
    const home = openHome(path);
    home.secret();
    home.adminToken();
    expect(readdirSync(path).sort()).toEqual(["etc", "log", "tmp", "var"]);
    expect([modeOf("."), modeOf("var"), modeOf("etc")]).toEqual(["711", "711", "700"]);
    expect([modeOf("etc/secret"), modeOf("etc/admin.token")]).toEqual(["600", "600"]);
    expect(readdirSync(join(path, "etc")).sort()).toEqual(["admin.token", "secret"]);
  });

  it("keeps its instance key and its admin token", () => {
    const home = openHome(path);
    expect(home.secret()).toHaveLength(32);
    expect(home.adminToken()).toMatch(/^bs_op_[A-Za-z0-9_-]{43}$/);
    expect(openHome(path).secret()).toEqual(home.secret());
    expect(openHome(path).adminToken()).toBe(home.adminToken());
    expect(readAdminToken(path)).toBe(home.adminToken());
  });

  it("has one instance key, however many open it first", async () => {
    const go = join(path, "..", "go");
    const wait = `const { existsSync } = await import("node:fs"); say("here"); while (!existsSync(${JSON.stringify(go)}));`;
    const openers = Array.from({ length: 4 }, () => elsewhere(`${wait} say(openHome(path).secret().toString("hex"));`));
    await Promise.all(openers.map((opener) => opener.says(1)));
    writeFileSync(go, "");
    await Promise.all(openers.map((opener) => opener.says(2)));
    const secrets = new Set(openers.map((opener) => opener.text().split("\n")[1]));
    expect([...secrets]).toEqual([openHome(path).secret().toString("hex")]);
  });

  it.each(["secret", "admin.token"])("says which file is damaged rather than work with an empty %s", (name) => {
    const home = openHome(path);
    const read = () => (name === "secret" ? home.secret() : home.adminToken());
    read();
    truncateSync(join(path, "etc", name));
    expect(read).toThrow(new RegExp(`etc/${name}`));
  });

  it("has no admin token before it is asked for one", () => {
    expect(readAdminToken(path)).toBeUndefined();
    openHome(path);
    expect(readAdminToken(path)).toBeUndefined();
  });
});

describe("a home that is taken", () => {
  it("tells others who has it, and where it answers once that is known", async () => {
    const owner = elsewhere(`
      const home = openHome(path); home.take(); say("taken");
      process.stdin.once("data", () => { home.announce("http://127.0.0.1:1234"); say("announced"); });`);
    await owner.says(1);
    const taken = { pid: owner.child.pid, url: "" };
    expect(readRunning(path)).toEqual(taken);
    expect(() => openHome(path).take()).toThrow(expect.objectContaining({ name: "HomeTaken", ...taken }));
    owner.child.stdin!.write("now\n");
    await owner.says(2);
    expect(readRunning(path)).toEqual({ ...taken, url: "http://127.0.0.1:1234" });
    expect(() => openHome(path).take()).toThrow(HomeTaken);
    expect(modeOf("tmp/server.json")).toBe("600");
  });

  it("is free when its owner was killed", async () => {
    const owner = elsewhere(`openHome(path).take(); say("taken");`);
    await owner.says(1);
    await owner.kill9();
    expect(readRunning(path)).toBeUndefined();
    const home = openHome(path);
    home.take();
    expect(readRunning(path)).toEqual({ pid: process.pid, url: "" });
    home.release();
    expect(readdirSync(join(path, "tmp"))).toEqual([]);
  });

  it("is free when its owner's number belongs to another process now", () => {
    const home = openHome(path);
    writeFileSync(pidFile(), JSON.stringify({ pid: process.ppid, started: "1", url: "http://127.0.0.1:1" }));
    expect(readRunning(path)).toBeUndefined();
    home.take();
    expect(readRunning(path)?.pid).toBe(process.pid);
  });

  it.each(["", "{", "null", "[]", '{"pid":"1"}', '{"pid":-1}', '{"pid":0}'])(
    "is free when its file says %j",
    (text) => {
      const home = openHome(path);
      writeFileSync(pidFile(), text);
      expect(readRunning(path)).toBeUndefined();
      home.take();
      expect(readRunning(path)?.pid).toBe(process.pid);
    },
  );

  it("stays with its owner when somebody else gives it back", () => {
    const home = openHome(path);
    home.take();
    openHome(path).release();
    expect(readRunning(path)?.pid).toBe(process.pid);
    home.release();
    home.release();
    expect(readRunning(path)).toBeUndefined();
  });

  it("goes to exactly one of eight that find it left by a dead process", async () => {
    mkdirSync(join(path, "tmp"), { recursive: true });
    const takers = Array.from({ length: 8 }, () =>
      elsewhere(`
        const home = openHome(path);
        say("here");
        process.stdin.setEncoding("utf8").on("data", (words) => {
          for (const word of words.trim().split("\\n")) {
            if (word === "take") try { home.take(); say("taken"); } catch (error) { say(error.name); }
            else { home.release(); say("released"); }
          }
        });`),
    );
    await Promise.all(takers.map((taker) => taker.says(1)));
    for (let round = 0; round < 25; round++) {
      writeFileSync(pidFile(), JSON.stringify({ pid: process.ppid, started: "1", url: "" }));
      for (const { child } of takers) child.stdin!.write("take\n");
      await Promise.all(takers.map((taker) => taker.says(2 + 2 * round)));
      const answers = takers.map((taker) => taker.text().split("\n").at(-1));
      expect(answers.filter((answer) => answer === "taken")).toHaveLength(1);
      expect(answers.filter((answer) => answer === "HomeTaken")).toHaveLength(7);
      const winner = takers[answers.indexOf("taken")]!;
      expect(readRunning(path)?.pid).toBe(winner.child.pid);
      for (const { child } of takers) child.stdin!.write("release\n");
      await Promise.all(takers.map((taker) => taker.says(3 + 2 * round)));
    }
  });
});
