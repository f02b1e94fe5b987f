import { existsSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Where the bench keeps a Node 24 of its own, and the npm package it comes from. */
export const FOLDER = join(ROOT, ".cache/node24");
export const PACKAGE = `node-${platform() === "win32" ? "win" : platform()}-${arch()}`;

/** Node 24 when it is at hand, else the Node that runs this. */
export function findNode() {
  if (process.versions.node.startsWith("24.")) return process.execPath;
  const binary = join(PACKAGE, "bin/node");
  const places = [join(ROOT, "node_modules", binary), join(FOLDER, "node_modules", binary)];
  return places.find((place) => existsSync(place)) ?? process.execPath;
}
