/**
 * `npm run check`: everything that can be said without a running server, in seconds. All steps run at once; each prints
 * one line, and only what fails is shown in full. `--only lint,gen` runs some of them.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./tool.mjs";

process.exitCode = await main();

async function main() {
  if (!existsSync(join(root, "node_modules/.bin"))) return refuse("nothing is installed: run `npm ci` first");
  // Imported late: they need what npm installs.
  const [{ steps }, { printValidateProto }] = await Promise.all([
    import("./steps.mjs"),
    import("./validate-proto.mjs"),
  ]);
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  const names = values.only?.split(",") ?? Object.keys(steps);
  const unknown = names.find((name) => !Object.hasOwn(steps, name));
  if (unknown !== undefined) return refuse(`no step is called ${unknown}; there are ${Object.keys(steps).join(", ")}`);

  const start = performance.now();
  // Every step of buf compiles against this file.
  printValidateProto();
  const results = await Promise.all(names.map((name) => runStep(name, steps[name])));
  return report(results, performance.now() - start);
}

async function runStep(name, { says, run }) {
  const start = performance.now();
  const { ok, output = "", note } = await run();
  const time = `${Math.round(performance.now() - start)} ms`;
  console.log(`${ok ? "✓" : "✗"} ${name.padEnd(12)} ${time.padStart(8)}  ${says}${note ? ` (${note})` : ""}`);
  return { name, ok, output };
}

function report(results, took) {
  const failed = results.filter((result) => !result.ok);
  for (const { name, output } of failed) console.log(`\n--- ${name}\n${output}`);
  const seconds = `${(took / 1000).toFixed(1)} s`;
  console.log(
    failed.length === 0 ? `check passed in ${seconds}` : `\ncheck failed: ${failed.map((one) => one.name).join(", ")}`,
  );
  return failed.length === 0 ? 0 : 1;
}

function refuse(reason) {
  console.error(`check: ${reason}`);
  return 2;
}
