import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync } from "node:fs";
import { link, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTimeOf } from "../../process.js";
import { isRunning } from "./pid-file.js";
import { draftPrefix } from "./place.js";

const POLL_MS = 20;

/**
 * Lets one process at a time look for the server of a data folder and start it: PostgreSQL's own lock guards the data, but two
 * servers which clear up after a dead one at once can take it from each other. A lock whose holder died is taken over. Rejects
 * when `signal` aborts.
 */
export async function withStartLock<T>(dataDir: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const file = `${dataDir}.lock`;
  const draft = join(dirname(file), `${draftPrefix(dataDir)}${process.pid}-${randomUUID()}`);
  await writeFile(draft, `${process.pid} ${startTimeOf(process.pid)} ${randomUUID()}`);
  try {
    while (!(await isLinked(draft, file))) {
      if (!breakStale(file)) await sleep(POLL_MS, undefined, { signal });
    }
  } finally {
    await rm(draft, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

/** A link appears with its content, which a new file would not. */
function isLinked(draft: string, file: string): Promise<boolean> {
  return link(draft, file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
}

/** Removes the lock of a dead process; true when it is worth trying again at once. */
function breakStale(file: string): boolean {
  try {
    const holder = readFileSync(file, "utf8");
    const [pid, started] = holder.split(" ");
    if (isRunning(Number(pid)) && startTimeOf(Number(pid)) === started) return false;
    const aside = `${file}.${randomUUID()}`;
    renameSync(file, aside);
    // Somebody else may have broken and taken it in between: then it is theirs.
    if (readFileSync(aside, "utf8") !== holder) linkSync(aside, file);
    rmSync(aside);
    return true;
  } catch (error) {
    if (["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) return true;
    throw error;
  }
}
