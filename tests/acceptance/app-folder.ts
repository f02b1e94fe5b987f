import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeHome } from "./server-process.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Makes a folder of somebody's app, in which `backstay` is this checkout, with these files; `cleanUp` removes it. */
export async function makeAppFolder(files: Record<string, string>): Promise<string> {
  const folder = await makeHome();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules", "backstay"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}
