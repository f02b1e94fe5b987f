import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { allows, closedFolder, privateFolder, type SystemUser } from "./files.js";

const NAME = "backstay-pg-";

// A socket's path has at most 107 bytes on Linux and 103 on macOS; "/.s.PGSQL.65535" and six random characters count too.
const LONGEST_PARENT = 103 - NAME.length - "/XXXXXX/.s.PGSQL.65535".length;

/** Makes the short private folder for a server's socket. */
export async function makeSocketDir(user: SystemUser | undefined, parent = tmpdir()): Promise<string> {
  const usable =
    Buffer.byteLength(parent) <= LONGEST_PARENT &&
    existsSync(parent) &&
    (!user || (!closedFolder(parent, user) && allows(parent, user, 0o1)));
  return privateFolder(join(usable ? parent : "/tmp", NAME), user);
}

/** Empties a socket folder of ours, of which nobody uses the socket any more. */
export async function clearSocketDir(socketDir: string): Promise<void> {
  if (!isOurs(socketDir)) return;
  for (const name of await readdir(socketDir)) await rm(join(socketDir, name), { force: true });
}

/** Removes a socket folder if it is one of ours. Never throws. */
export async function removeSocketDir(socketDir: string): Promise<void> {
  if (isOurs(socketDir)) await rm(socketDir, { recursive: true, force: true }).catch(() => {});
}

function isOurs(socketDir: string): boolean {
  return basename(socketDir).startsWith(NAME) && existsSync(socketDir);
}
