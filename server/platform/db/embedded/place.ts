import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { closedFolder, giveAway, makeFolder, type SystemUser } from "./files.js";

/** Where the database of one home lives, and as whom it runs. */
export interface Place {
  /** Holds the data folder and, when they had to be copied, the binaries. */
  readonly root: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** Set when we are root: PostgreSQL refuses uid 0, so it runs as somebody else. */
  readonly user?: SystemUser;
  /** Set when the data is not inside the home: what an operator should know about it. */
  readonly note?: string;
}

const NOBODY: SystemUser = { uid: 65534, gid: 65534 };
const SYSTEM_ROOT = "/var/lib/backstay";

/**
 * Makes the folders of a home and decides where its database lives: in home/var/postgres, or below /var/lib/backstay when
 * the home is closed to the user the database has to run as. Data that exists always wins over that rule.
 *
 * Throws one clear line when existing data belongs to another user or cannot be reached.
 */
export async function preparePlace(home: string): Promise<Place> {
  await makeFolder(home, 0o711);
  const real = realpathSync(home);
  await makeFolder(join(real, "log"), 0o700);
  await makeFolder(join(real, "var"), 0o711);
  const logFile = join(real, "log", "postgres.log");
  const inside = { root: join(real, "var"), dataDir: join(real, "var", "postgres"), logFile };
  const outsideRoot = join(SYSTEM_ROOT, createHash("sha256").update(real).digest("hex").slice(0, 16));
  const outside = { root: outsideRoot, dataDir: join(outsideRoot, "postgres"), logFile };
  return process.getuid?.() === 0 ? placeForRoot(inside, outside) : placeForUser(inside, outside);
}

function placeForUser(inside: Place, outside: Place): Place {
  if (!existsSync(inside.dataDir)) {
    if (existsSync(outside.dataDir)) {
      throw new Error(
        `The data of this home is in ${outside.dataDir}, where root put it: start as root, or move it to ${inside.dataDir}.`,
      );
    }
    return inside;
  }
  const { uid } = statSync(inside.dataDir);
  if (uid !== process.getuid?.()) {
    throw new Error(`The data folder ${inside.dataDir} belongs to uid ${uid}: start as that user, or as root.`);
  }
  return inside;
}

async function placeForRoot(inside: Place, outside: Place): Promise<Place> {
  if (existsSync(inside.dataDir)) {
    const user = await adoptOwner(inside.dataDir);
    const closed = closedFolder(inside.root, user);
    if (closed) {
      throw new Error(
        `The data folder ${inside.dataDir} cannot be reached by uid ${user.uid}: ${closed} is closed to it (chmod o+x ${closed}).`,
      );
    }
    return { ...inside, user };
  }
  const closed = closedFolder(inside.root, NOBODY);
  if (!closed && !existsSync(outside.dataDir)) return { ...inside, user: NOBODY };

  await makeFolder(outside.root, 0o711);
  const user = existsSync(outside.dataDir) ? await adoptOwner(outside.dataDir) : NOBODY;
  const why = closed ? `${closed} is closed to uid ${user.uid}` : "an earlier start put it there";
  const note = `The database is in ${outside.dataDir}, not in the home: ${why}.`;
  return { ...outside, user, note };
}

/** Data keeps its owner, so a home made by an ordinary user still works for him; data of root (a restored copy) is handed on. */
async function adoptOwner(dataDir: string): Promise<SystemUser> {
  const { uid, gid } = statSync(dataDir);
  if (uid !== 0) return { uid, gid };
  await giveAway(dataDir, NOBODY);
  return NOBODY;
}

/** The name that temporary folders of `path` begin with; the pid of their maker follows. */
export function draftPrefix(path: string): string {
  return `${basename(path)}.draft-`;
}
