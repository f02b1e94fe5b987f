import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Binaries } from "../../server/platform/db/embedded/binaries.js";
import { closedFolder } from "../../server/platform/db/embedded/files.js";

/** A PostgreSQL of this machine, or one unpacked from its distribution's packages. */
export interface SystemPostgres {
  readonly version: number;
  readonly binaries: Binaries;
}

const run = promisify(execFile);
const MAJORS = [15, 16, 17];
const CACHE = cacheFolder();

/** Finds PostgreSQL 15 to 17: in PATH, where Debian puts it, or else from Debian's archive without installing it. */
export async function findSystemPostgres(): Promise<SystemPostgres> {
  const found = findInstalled() ?? findUnpacked();
  if (found) return found;
  try {
    await unpackFromDebian();
  } catch (cause) {
    const message = "No PostgreSQL 15 to 17: install postgresql-15, or set TEST_DATABASE_URL to such a server.";
    throw new Error(`${message} (Unpacking it with apt-get failed: ${firstLine(cause)})`, { cause });
  }
  return findUnpacked()!;
}

/** As root the server runs as another user, who must be able to get there. */
function cacheFolder(): string {
  const checkout = fileURLToPath(new URL("../../", import.meta.url));
  const closed = process.getuid?.() === 0 && closedFolder(checkout, { uid: 65534, gid: 65534 });
  return closed ? "/var/tmp/backstay-test-cache" : join(checkout, ".cache");
}

function findInstalled(): SystemPostgres | undefined {
  const folders = [
    ...MAJORS.map((major) => `/usr/lib/postgresql/${major}/bin`),
    ...(process.env.PATH ?? "").split(delimiter).filter(Boolean),
  ];
  for (const folder of folders) {
    const binaries = { postgres: join(folder, "postgres"), initdb: join(folder, "initdb") };
    if (!existsSync(binaries.postgres) || !existsSync(binaries.initdb)) continue;
    const version = majorOf(binaries.postgres);
    if (MAJORS.includes(version)) return { version, binaries };
  }
  return undefined;
}

function majorOf(program: string): number {
  const [, major] = /\(PostgreSQL\) (\d+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" })) ?? [];
  return Number(major);
}

function findUnpacked(): SystemPostgres | undefined {
  for (const version of MAJORS) {
    const folder = join(CACHE, `postgresql-${version}`);
    const binaries = { postgres: join(folder, "postgres"), initdb: join(folder, "initdb") };
    if (existsSync(binaries.postgres)) return { version, binaries };
  }
  return undefined;
}

async function unpackFromDebian(): Promise<void> {
  const version = await packagedMajor();
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "postgresql-draft-"));
  try {
    // Tests as root run the server as another user.
    await chmod(draft, 0o755);
    const server = `postgresql-${version}`;
    await run("apt-get", ["download", server, ...(await librariesOf(server))], { cwd: draft });
    for (const name of readdirSync(draft).filter((file) => file.endsWith(".deb"))) {
      await run("dpkg", ["-x", join(draft, name), draft]);
      await rm(join(draft, name));
    }
    const place = join(CACHE, server);
    for (const program of ["postgres", "initdb"]) await writeRunner(draft, place, version, program);
    await rm(place, { recursive: true, force: true });
    await rename(draft, place);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function packagedMajor(): Promise<number> {
  const offered = async () => {
    const { stdout } = await run("apt-cache", ["search", "--names-only", "^postgresql-1[567]$"]);
    return MAJORS.find((major) => stdout.includes(`postgresql-${major} `));
  };
  let major = await offered();
  if (!major && process.getuid?.() === 0) {
    await run("apt-get", ["update"]);
    major = await offered();
  }
  if (!major) throw new Error("apt-cache knows no postgresql-15, -16 or -17");
  return major;
}

/** The libraries of a package and of these, without those that every system has or the server loads on demand only. */
async function librariesOf(name: string): Promise<string[]> {
  const everywhere = /^(libc6|libgcc|libstdc\+\+|libllvm|libcrypt1)/i;
  const found = new Set<string>();
  const look = async (parent: string, depth: number): Promise<void> => {
    const { stdout } = await run("apt-cache", ["depends", "--no-recommends", "--no-suggests", parent]);
    for (const [, child] of stdout.matchAll(/^ {2}(?:\|)?Depends: (lib\S+)/gm)) {
      if (!child || found.has(child) || everywhere.test(child)) continue;
      found.add(child);
      if (depth > 1) await look(child, depth - 1);
    }
  };
  await look(name, 3);
  return [...found];
}

/** A two-line program that runs an unpacked one with the libraries beside it; `exec` keeps the process number. */
async function writeRunner(draft: string, place: string, version: number, program: string): Promise<void> {
  const { stdout } = await run("dpkg-architecture", ["-qDEB_HOST_MULTIARCH"]).catch(() =>
    run("sh", ["-c", "ls -d usr/lib/*-linux-gnu* | head -1 | xargs basename"], { cwd: draft }),
  );
  const triple = stdout.trim();
  const libraries = [join(place, "usr/lib", triple), join(place, "lib", triple)].join(":");
  const real = join(place, `usr/lib/postgresql/${version}/bin`, program);
  const text = `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec '${real}' "$@"\n`;
  await writeFile(join(draft, program), text, { mode: 0o755 });
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr || message || String(error)).trim().split("\n")[0] ?? "";
}
