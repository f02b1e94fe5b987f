/** What `npm run check` looks at. A step answers whether it holds, what to read when it does not, and at most a note. */
import { breaking } from "./breaking.mjs";
import { staleFiles } from "./gen.mjs";
import { runTool } from "./tool.mjs";

/** @type {Record<string, { says: string, run: () => Promise<{ ok: boolean, output?: string, note?: string }> }>} */
export const steps = {
  lint: { says: "proto/ keeps buf's rules", run: () => runTool("buf", ["lint", "proto"]) },
  format: {
    says: "proto/ is formatted",
    run: () => runTool("buf", ["format", "proto", "--diff", "--exit-code"]),
  },
  breaking: { says: "proto/ breaks no released client", run: breaking },
  gen: { says: "gen/ is fresh", run: genFresh },
  types: { says: "types", run: () => runTool("tsc", ["--pretty", "false"]) },
  biome: {
    says: "biome: lint and format",
    run: () => runTool("biome", ["check", "--error-on-warnings", "--diagnostic-level=warn", "."]),
  },
  knip: { says: "knip: nothing unused", run: () => runTool("knip", ["--no-progress", "--no-config-hints"]) },
  architecture: { says: "the rules of the architecture", run: architecture },
};

async function genFresh() {
  try {
    const stale = await staleFiles();
    if (stale.length === 0) return { ok: true };
    const more = stale.length > 1 ? ` (and ${stale.length - 1} more)` : "";
    return { ok: false, output: `${stale[0]}${more}: run \`npm run gen\`` };
  } catch (error) {
    return { ok: false, output: error.message };
  }
}

function architecture() {
  const config = ["--config", "tests/check/vitest.config.ts", "--configLoader", "runner"];
  return runTool("vitest", ["run", ...config, "--reporter", "dot"]);
}
