/** `node bench/get-node24.mjs`: brings Node 24 from npm into .cache/node24, where the bench finds it. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FOLDER, findNode, PACKAGE } from "./node24.mjs";

mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, "package.json"), '{ "private": true }\n');
const options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts"];
const { status } = spawnSync("npm", ["install", ...options, `${PACKAGE}@24`], {
  cwd: FOLDER,
  stdio: "inherit",
  shell: process.platform === "win32",
});
process.exitCode = status ?? 1;
if (status === 0) console.log(findNode());
