/** Runs the tools that npm installed, from any folder and without a network. */
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's top folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

const bin = join(root, "node_modules", ".bin");

/**
 * Runs `name` and collects what it says.
 * @param {string} name a tool of node_modules/.bin, or one of the PATH
 * @param {string[]} args
 * @param {{ cwd?: string }} [options]
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
export function runTool(name, args, { cwd = root } = {}) {
  return new Promise((resolve) => {
    const child = spawn(name, args, {
      cwd,
      env: toolEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
      // On Windows npm's tools are .cmd files, which only a shell starts.
      shell: process.platform === "win32",
    });
    const said = [];
    child.stdout.on("data", (chunk) => said.push(chunk));
    child.stderr.on("data", (chunk) => said.push(chunk));
    child.on("error", (error) => resolve({ ok: false, output: `${name} cannot be started: ${error.message}` }));
    child.on("close", (code) => resolve({ ok: code === 0, output: Buffer.concat(said).toString().trim() }));
  });
}

/** Our tools come first in the PATH (buf looks for its plugin there); colours and a surrounding vitest are left out. */
function toolEnvironment() {
  const kept = Object.entries(process.env).filter(([key]) => key !== "FORCE_COLOR" && !key.startsWith("VITEST"));
  const env = Object.fromEntries(kept);
  return { ...env, PATH: `${bin}${delimiter}${env.PATH ?? ""}`, NO_COLOR: "1" };
}
