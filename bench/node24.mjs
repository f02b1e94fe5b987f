/** Where the bench keeps a Node 24 of its own, and what it comes from. */
import { existsSync, readdirSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export const FOLDER = join(root, ".cache/node24");
export const PACKAGE = `node-${platform() === "win32" ? "win" : platform()}-${arch()}`;

/** The newest Node 24 at hand, or the Node that runs this. */
export function findNode() {
  if (process.versions.node.startsWith("24.")) return process.execPath;
  const binary = join(PACKAGE, "bin/node");
  const places = [join(root, "node_modules", binary), join(FOLDER, "node_modules", binary)];
  return places.find((place) => existsSync(place)) ?? process.execPath;
}

/** Whether the folder holds anything yet. */
export function isFetched() {
  return existsSync(join(FOLDER, "node_modules")) && readdirSync(join(FOLDER, "node_modules")).includes(PACKAGE);
}
