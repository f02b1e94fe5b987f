import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { isRunning } from "../../../server/platform/db/embedded/pid-file.js";
import { findRunning } from "../../../server/platform/db/embedded/running.js";
import { makeSocketDir, removeSocketDir } from "../../../server/platform/db/embedded/socket-dir.js";
import {
  cleanUp,
  connected,
  crash,
  forgetUsed,
  launcherOf,
  launcherProcess,
  newHome,
  serverPid,
  usedHome,
} from "./fixtures/homes.js";

const isRoot = process.getuid?.() === 0;

afterEach(cleanUp);
afterAll(forgetUsed);

describe("the embedded PostgreSQL", () => {
  it("starts in an empty home, with the settings that keep data safe", async () => {
    const home = await newHome();
    const address = await launcherOf(home).start();

    expect(address).toMatchObject({ user: "backstay", database: "backstay", adopted: false });
    expect(address.dataDir).toBe(join(home, "var", "postgres"));
    expect(address.version).toMatch(/^18\./);
    const settings = await connected(
      address,
      (sql) => sql`
        select name, setting from pg_settings
        where name in ('fsync', 'data_checksums', 'listen_addresses', 'lc_collate', 'server_encoding', 'TimeZone')`,
    );
    expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toMatchObject({
      fsync: "on",
      data_checksums: "on",
      listen_addresses: "",
      server_encoding: "UTF8",
      TimeZone: "UTC",
    });
    const [row] = await connected(address, (sql) => sql`select datcollate from pg_database where datname = 'backstay'`);
    expect(row?.datcollate).toBe("C");
  });

  it("keeps the data to its user, and lets him through to it", async () => {
    const home = await newHome();
    const { dataDir, host } = await launcherOf(home).start();

    const mode = (path: string) => statSync(path).mode & 0o777;
    expect(mode(home)).toBe(0o711);
    expect(mode(dataDir)).toBe(0o700);
    expect(mode(host)).toBe(0o700);
    expect(mode(join(home, "log", "postgres.log"))).toBe(0o600);
    expect(statSync(dataDir).uid).toBe(isRoot ? 65534 : process.getuid?.());
  });

  it("starts again with the same data", async () => {
    const home = await newHome();
    const first = launcherOf(home);
    await connected(await first.start(), (sql) => sql`create table kept as select 42 as answer`);
    await first.stop();

    const address = await launcherOf(home).start();

    expect(address.adopted).toBe(false);
    const [row] = await connected(address, (sql) => sql`select answer from kept`);
    expect(row?.answer).toBe(42);
  });

  it("puts the socket where its path is short enough for the system", async () => {
    const folder = dirname(await newHome());
    const long = join(folder, "x".repeat(80));
    await mkdir(long, { mode: 0o777 });
    const made = await Promise.all([makeSocketDir(undefined, folder), makeSocketDir(undefined, long)]);
    await Promise.all(made.map(removeSocketDir));
    expect(made.map(dirname)).toEqual([folder, "/tmp"]);
  });

  it("answers the same address when it is started twice", async () => {
    const launcher = launcherOf(await newHome());
    const [first, second] = await Promise.all([launcher.start(), launcher.start()]);
    expect(second).toEqual(first);
    expect(await launcher.start()).toEqual(first);
  });

  it("stops without complaint before a start, during it, twice, and when its data is gone", async () => {
    const home = await newHome();
    const launcher = launcherOf(home);
    await launcher.stop();

    const start = launcher.start();
    await launcher.stop();
    await expect(start).rejects.toThrow("stopped while it started");

    const address = await launcher.start();
    const pid = serverPid(address);
    await rm(join(home, "var"), { recursive: true, force: true });
    await launcher.stop();
    await launcher.stop();
    expect(isRunning(pid)).toBe(false);
    expect(existsSync(address.host)).toBe(false);
  });
});

describe("after a crash", () => {
  it("adopts the server whose launcher was killed, and stops it in the end", async () => {
    const home = await usedHome();
    const process1 = launcherProcess(home);
    const before = await process1.address();
    await connected(before, (sql) => sql`create table kept as select 42 as answer`);
    await crash(process1);

    const launcher = launcherOf(home);
    const address = await launcher.start();

    expect(address).toEqual({ ...before, adopted: true });
    const [row] = await connected(address, (sql) => sql`select answer from kept`);
    expect(row?.answer).toBe(42);
    const pid = serverPid(address);
    await launcher.stop();
    expect(isRunning(pid)).toBe(false);
    expect(existsSync(address.host)).toBe(false);
  });

  it("has every acknowledged row after the server was killed, and serves it at the same address", async () => {
    const home = await usedHome();
    const launcher = launcherOf(home);
    const before = await launcher.start();
    const pid = serverPid(before);
    let acknowledged = 0;
    await connected(before, async (sql) => {
      await sql`create table kept (n int)`;
      try {
        for (;;) {
          await sql`insert into kept values (${acknowledged + 1})`;
          if (++acknowledged === 100) process.kill(pid, "SIGKILL");
        }
      } catch {
        // The connection broke: what was acknowledged before must be there.
      }
    });

    const after = await launcher.start();

    expect(after).toEqual(before);
    const [row] = await connected(after, (sql) => sql`select count(*)::int as rows from kept`);
    expect(acknowledged).toBeGreaterThanOrEqual(100);
    expect(row?.rows).toBeGreaterThanOrEqual(acknowledged);
  });

  it("starts although a backend of the killed server is in the middle of a long computation", async () => {
    const launcher = launcherOf(await usedHome());
    const before = await launcher.start();
    await connected(before, async (sql) => {
      const long = sql`select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b`;
      const broken = expect(long).rejects.toThrow();
      while (
        (await sql`select 1 from pg_stat_activity where query like '%generate_series%' and state = 'active'`).length < 2
      ) {
        await sleep(10);
      }
      process.kill(serverPid(before), "SIGKILL");
      await launcher.start();
      await broken;
    });
    const [row] = await connected(await launcher.start(), (sql) => sql`select 1 as one`);
    expect(row?.one).toBe(1);
  });

  it("starts although initdb was killed half-way, and clears up after it", async () => {
    const home = await newHome();
    const process1 = launcherProcess(home);
    const drafts = () =>
      existsSync(join(home, "var")) ? readdirSync(join(home, "var")).filter((name) => name.includes("draft")) : [];
    while (!drafts().some((name) => existsSync(join(home, "var", name, "global")))) await sleep(5);
    await crash(process1);
    expect(existsSync(join(home, "var", "postgres"))).toBe(false);

    const address = await launcherOf(home).start();

    expect(address.adopted).toBe(false);
    expect(drafts()).toEqual([]);
  });

  it("stops a server that lives but does not answer", async () => {
    const home = await usedHome();
    const process1 = launcherProcess(home);
    const { dataDir } = await process1.address();
    const pid = serverPid(await process1.address());
    await crash(process1);
    process.kill(pid, "SIGSTOP");

    const found = await findRunning(dataDir, () => {}, AbortSignal.timeout(15_000), 200);

    expect(found.server).toBeUndefined();
    expect(existsSync(found.staleSocketDir ?? "")).toBe(true);
    await removeSocketDir(found.staleSocketDir ?? "");
    expect(isRunning(pid)).toBe(false);
    const address = await launcherOf(home).start();
    expect(address.adopted).toBe(false);
  });

  it("is not misled by a pid file whose number now belongs to somebody else", async () => {
    const home = await usedHome();
    const first = launcherOf(home);
    const { dataDir } = await first.start();
    await first.stop();
    await writeFile(
      join(dataDir, "postmaster.pid"),
      `${process.pid}\n${dataDir}\n1700000000\n5432\n/tmp/nowhere\n\n  1 2\nready   \n`,
    );

    const address = await launcherOf(home).start();

    expect(address.adopted).toBe(false);
  });
});

describe("two launchers of one home", () => {
  it("share one server when both start at once in an empty home", async () => {
    const home = await newHome();
    const both = [launcherProcess(home), launcherProcess(home)];
    const addresses = await Promise.all(both.map((child) => child.address()));

    expect(addresses.map(({ adopted }) => adopted).sort()).toEqual([false, true]);
    expect(addresses[0]?.host).toBe(addresses[1]?.host);
    expect(readdirSync(join(home, "var"))).toEqual(["postgres"]);
  });

  it("share one server when several start at once after everything was killed", async () => {
    const home = await usedHome();
    const process1 = launcherProcess(home);
    const before = await process1.address();
    await connected(before, (sql) => sql`create table kept as select 42 as answer`);
    process.kill(serverPid(before), "SIGKILL");
    await crash(process1);

    const all = [launcherProcess(home), launcherProcess(home), launcherProcess(home)];
    const addresses = await Promise.all(all.map((child) => child.address()));

    expect(addresses.filter(({ adopted }) => !adopted)).toHaveLength(1);
    expect(new Set(addresses.map(({ host }) => host)).size).toBe(1);
    expect(existsSync(before.host)).toBe(false);
    const [row] = await connected(addresses[0]!, (sql) => sql`select answer from kept`);
    expect(row?.answer).toBe(42);
  });

  it("the second adopts, and leaves the server to the first when it is shared", async () => {
    const home = await usedHome();
    const owner = launcherOf(home);
    const address = await owner.start();
    const guest = launcherOf(home, { shared: true });

    expect(await guest.start()).toEqual({ ...address, adopted: true });
    await guest.stop();

    const [row] = await connected(address, (sql) => sql`select 1 as one`);
    expect(row?.one).toBe(1);
  });

  it("a shared one that started the server leaves it to those who came to use it", async () => {
    const home = await usedHome();
    const guest = launcherOf(home, { shared: true });
    await guest.start();
    const owner = launcherOf(home);
    const address = await owner.start();
    expect(address.adopted).toBe(true);

    await connected(address, async (sql) => {
      await sql`select 1`;
      await guest.stop();
      const [row] = await sql`select 1 as one`;
      expect(row?.one).toBe(1);
    });

    const pid = serverPid(address);
    await owner.stop();
    expect(isRunning(pid)).toBe(false);
  });
});

describe("a folder it cannot use", () => {
  it("is refused when another major version made it, naming both", async () => {
    const home = await newHome();
    await mkdir(join(home, "var", "postgres"), { recursive: true });
    await writeFile(join(home, "var", "postgres", "PG_VERSION"), "15\n");

    const start = launcherOf(home).start();

    await expect(start).rejects.toThrow(/PostgreSQL 15, and the embedded one is PostgreSQL 18/);
  });

  it("is refused when something else is in it", async () => {
    const home = await newHome();
    await mkdir(join(home, "var", "postgres"), { recursive: true });
    await writeFile(join(home, "var", "postgres", "notes.txt"), "mine");

    await expect(launcherOf(home).start()).rejects.toThrow(/is not empty and not a PostgreSQL data folder/);
  });

  it.runIf(isRoot)("is left for /var/lib/backstay when the home is closed to the database's user", async () => {
    const home = await newHome(0o700);
    const first = launcherOf(home);
    const address = await first.start();
    serverPid(address);

    expect(address.dataDir).toMatch(/^\/var\/lib\/backstay\/[0-9a-f]{16}\/postgres$/);
    expect(address.note).toContain(`${dirname(home)} is closed to uid 65534`);
    await connected(address, (sql) => sql`create table kept as select 42 as answer`);
    await first.stop();

    const again = await launcherOf(home).start();
    const [row] = await connected(again, (sql) => sql`select answer from kept`);
    expect(row?.answer).toBe(42);
  });
});
