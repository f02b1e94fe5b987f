/**
 * `npm run gen`: makes gen/ and client-sdk/src/gen from proto/. Both are made beside the work tree first, so that a
 * proto with an error leaves the old code in place, and a file that stays the same keeps its time.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { root, runTool } from "./tool.mjs";
import { printValidateProto } from "./validate-proto.mjs";

const TEMPLATES = ["buf.gen.yaml", "client-sdk/buf.gen.yaml"];
const GENERATED = ["gen", "client-sdk/src/gen"];

/**
 * What is not as proto/ says, without touching the work tree.
 * @returns {Promise<string[]>} one line a file, in the order of their names
 */
export async function staleFiles() {
  return await withFreshCode((fresh) => differences(fresh).map(({ file, state }) => `${file} ${state}`));
}

/** Brings the work tree up to date and returns the files it wrote or removed. */
export async function generate() {
  return await withFreshCode((fresh) => {
    const changed = differences(fresh);
    for (const { file, wanted } of changed) {
      if (wanted) cpSync(join(fresh, file), join(root, file));
      else rmSync(join(root, file));
    }
    return changed.map(({ file }) => file);
  });
}

async function withFreshCode(use) {
  const fresh = mkdtempSync(join(tmpdir(), "backstay-gen-"));
  try {
    printValidateProto();
    const runs = await Promise.all(
      TEMPLATES.map((template) => runTool("buf", ["generate", "--template", template, "--output", fresh])),
    );
    const failed = runs.find((run) => !run.ok);
    if (failed) throw new Error(failed.output);
    return use(fresh);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function differences(fresh) {
  const wanted = new Set(GENERATED.flatMap((folder) => filesIn(fresh, folder)));
  const present = new Set(GENERATED.flatMap((folder) => filesIn(root, folder)));
  return [...new Set([...wanted, ...present])].sort().flatMap((file) => {
    if (!present.has(file)) return [{ file, wanted: true, state: "is missing" }];
    if (!wanted.has(file)) return [{ file, wanted: false, state: "comes from no proto" }];
    const same = readFileSync(join(fresh, file)).equals(readFileSync(join(root, file)));
    return same ? [] : [{ file, wanted: true, state: "is not what its proto says" }];
  });
}

function filesIn(base, folder) {
  if (!existsSync(join(base, folder))) return [];
  return readdirSync(join(base, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(base, join(entry.parentPath, entry.name)).split(sep).join("/"));
}

async function main() {
  try {
    const changed = await generate();
    for (const file of changed) console.log(file);
    console.log(changed.length === 0 ? "gen is fresh" : `${changed.length} generated files changed`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
