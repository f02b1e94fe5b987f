import { statSync } from "node:fs";
import { chmod, chown, copyFile, lchown, mkdir, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isAlive } from "../../process.js";

/** A user of the operating system, by number. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Makes a folder and its missing parents; those that were made get `mode` whatever the umask, the others are left alone. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, mode);
}

/** The first folder on the way to `path`, itself included, that `user` may not pass. Judged by mode bits, as root cannot ask. */
export function closedFolder(path: string, user: SystemUser): string | undefined {
  const parent = dirname(path);
  const above = parent === path ? undefined : closedFolder(parent, user);
  if (above) return above;
  return allows(path, user, 0o1) ? undefined : path;
}

/** Whether the mode bits of `path` give `user` all of `want` (4 read, 2 write, 1 execute or pass). */
export function allows(path: string, user: SystemUser, want: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return false;
  const shift = found.uid === user.uid ? 6 : found.gid === user.gid ? 3 : 0;
  return ((found.mode >> shift) & want) === want;
}

/** Hands a file, or a folder and all in it, to `user`. Throws one clear line where root may not do so, as in a rootless container. */
export async function giveAway(path: string, user: SystemUser): Promise<void> {
  try {
    await chown(path, user.uid, user.gid);
    if (!statSync(path).isDirectory()) return;
    for (const entry of await readdir(path, { recursive: true })) await lchown(join(path, entry), user.uid, user.gid);
  } catch (cause) {
    throw new Error(
      `PostgreSQL does not run as root, and files cannot be handed to uid ${user.uid} here: start as an ordinary user, or set DATABASE_URL.`,
      { cause },
    );
  }
}

/** Makes a fresh folder that only `user` (or else we) may enter; `prefix` is a path, to which six characters are added. */
export async function privateFolder(prefix: string, user: SystemUser | undefined): Promise<string> {
  const path = await mkdtemp(prefix);
  if (user) await giveAway(path, user);
  return path;
}

/** Copies a tree of plain files, readable by everybody; links are left out. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    if (!entry.isFile()) continue;
    await copyFile(source, target);
    await chmod(target, (await stat(source)).mode & 0o111 ? 0o755 : 0o644);
  }
}

/** Removes the drafts of `prefix` in `folder` whose maker is dead, or so old that its pid must have been given to another. */
export async function sweepDrafts(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (!found) continue;
    const maker = Number.parseInt(name.slice(prefix.length), 10);
    if (isAlive(maker) && Date.now() - found.mtimeMs < 600_000) continue;
    // A program that its dead maker began may still write there for a moment; what resists is left to the next sweep.
    await rm(path, { recursive: true, force: true, maxRetries: 8, retryDelay: 20 }).catch(() => {});
  }
}

/** Makes a rename inside `folder` survive a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}
