import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Binaries } from "./binaries.js";
import { giveAway, privateFolder, sweepDrafts, syncFolder } from "./files.js";
import { draftPrefix, type Place } from "./place.js";

/** The superuser and the database that every cluster has. */
export const OWNER = "backstay";

/** Throws one clear line when the data folder was made by another major version of PostgreSQL, or is not a data folder. */
export async function refuseForeignData(dataDir: string, major: number): Promise<void> {
  const file = join(dataDir, "PG_VERSION");
  if (existsSync(file)) {
    const theirs = readFileSync(file, "utf8").trim();
    if (theirs === String(major)) return;
    throw new Error(
      `The data folder ${dataDir} was made by PostgreSQL ${theirs}, and the embedded one is PostgreSQL ${major}: restore a backup into a new home, or set DATABASE_URL to a PostgreSQL ${theirs} server on that folder.`,
    );
  }
  if (existsSync(dataDir) && (await readdir(dataDir)).length > 0) {
    throw new Error(`The folder ${dataDir} is in the way: it is not empty and not a PostgreSQL data folder.`);
  }
}

/**
 * Makes the data folder unless it exists. It appears whole or not at all: a killed start leaves a draft, which a later start
 * removes, and of two starts at once one wins.
 */
export async function ensureCluster(place: Place, binaries: Binaries, listens: boolean): Promise<void> {
  const prefix = draftPrefix(place.dataDir);
  await sweepDrafts(place.root, prefix);
  if (!existsSync(join(place.dataDir, "PG_VERSION"))) {
    const draft = await privateFolder(join(place.root, `${prefix}${process.pid}-`), place.user);
    try {
      await initialise(draft, place, binaries);
      await rename(draft, place.dataDir);
      await syncFolder(dirname(place.dataDir));
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      if (!existsSync(join(place.dataDir, "PG_VERSION"))) throw error;
    }
  }
  await writeAccessRules(place, listens);
}

async function initialise(folder: string, place: Place, binaries: Binaries): Promise<void> {
  const options = ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=trust", "--no-instructions"];
  const child = spawn(binaries.initdb, ["-D", folder, "-U", OWNER, ...options], {
    ...place.user,
    cwd: "/",
    env: serverEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
    // Its own group, so that Ctrl-C reaches us and not it.
    detached: true,
  });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) return resolve();
      const nameless = /could not look up effective user ID (\d+)/.exec(complaints);
      if (nameless) return reject(new Error(namelessMessage(nameless[1])));
      const reason = complaints.split("\n").find((line) => /error|fatal/i.test(line)) ?? complaints.trim();
      reject(new Error(`The data folder ${place.dataDir} could not be made: ${reason || `initdb ended by ${signal}`}`));
    });
  });
}

function namelessMessage(uid = ""): string {
  return `The embedded PostgreSQL runs as uid ${uid}, which has no name on this system: add it to /etc/passwd, or set DATABASE_URL.`;
}

/** Trust is safe here: the socket's folder admits only the database's user and root. */
async function writeAccessRules(place: Place, listens: boolean): Promise<void> {
  const rules = ["local all all trust", "local replication all trust"];
  if (listens) rules.push("host all all 127.0.0.1/32 trust");
  const text = `# Written at each start.\n${rules.join("\n")}\n`;
  const file = join(place.dataDir, "pg_hba.conf");
  if (readFileSync(file, "utf8") === text) return;
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, text, { mode: 0o600 });
  if (place.user) await giveAway(draft, place.user);
  await rename(draft, file);
}

/** PostgreSQL must not see our environment: PGDATA, PGPORT and the like would change what it does. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}
