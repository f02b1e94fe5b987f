import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { chmod, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPackage, linkLibraries, prepareBinaries } from "../../../server/platform/db/embedded/binaries.js";
import type { Place } from "../../../server/platform/db/embedded/place.js";

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "backstay-package-"));
  await chmod(folder, 0o755);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The package as npm leaves it when it runs no install script. */
async function freshPackage() {
  const found = findPackage();
  await cp(dirname(found.native), join(folder, "package"), {
    recursive: true,
    filter: (source) => !lstatSync(source).isSymbolicLink(),
  });
  return { ...found, native: join(folder, "package", "native") };
}

function linkTargets(native: string): string[] {
  const list = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as { target: string }[];
  return list.map(({ target }) => join(native, target.replace(/^native\//, "")));
}

function place(root: string): Place {
  const where = { root, dataDir: join(root, "postgres"), logFile: join(root, "postgres.log") };
  return isRoot ? { ...where, user: nobody } : where;
}

describe("the programs of the embedded PostgreSQL", () => {
  it("get their links when npm ran no install script, also by two processes at once", async () => {
    const { native } = await freshPackage();
    expect(linkTargets(native).some(existsSync)).toBe(false);

    expect(await Promise.all([linkLibraries(native), linkLibraries(native)])).toEqual([true, true]);
    expect(await linkLibraries(native)).toBe(true);

    expect(linkTargets(native).length).toBeGreaterThan(0);
    expect(linkTargets(native).every(existsSync)).toBe(true);
  });

  it("are used where npm put them when that is possible", async () => {
    const found = await freshPackage();
    const binaries = await prepareBinaries(found, place(folder));
    expect(binaries.postgres).toBe(join(found.native, "bin", "postgres"));
  });

  it("are copied, once for a version, when their folder is closed or read-only", async () => {
    const found = await freshPackage();
    // Root may write anywhere, but the server's user cannot get through; others cannot write.
    if (isRoot) await chmod(dirname(found.native), 0o700);
    else await chmod(join(found.native, "lib"), 0o555);

    const [first, second] = await Promise.all([
      prepareBinaries(found, place(folder)),
      prepareBinaries(found, place(folder)),
    ]);
    const later = await prepareBinaries({ ...found, version: "18.99.0" }, place(folder));

    const copy = join(folder, `native-${found.version}`);
    expect(first.postgres).toBe(join(copy, "bin", "postgres"));
    expect(second).toEqual(first);
    expect(later.initdb).toBe(join(folder, "native-18.99.0", "bin", "initdb"));
    expect(linkTargets(join(folder, "native-18.99.0")).every(existsSync)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["native-18.99.0", "package"]);
    await chmod(join(found.native, "lib"), 0o755);
  });

  it("are refused in one line where there are none, saying what to do", () => {
    expect(() => findPackage("linux-x64", true)).toThrow(/^The embedded PostgreSQL needs glibc.*Set DATABASE_URL/);
    expect(() => findPackage("freebsd-x64", false)).toThrow(
      /^There is no embedded PostgreSQL for freebsd-x64.*DATABASE_URL/,
    );
    expect(() => findPackage("darwin-x64", false)).toThrow(/^.*darwin-x64\) is not installed.*DATABASE_URL/);
  });
});
