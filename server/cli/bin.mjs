#!/usr/bin/env node
// Plain JavaScript that an old Node can still read, so that it can say what it needs.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`backstay: Node ${process.versions.node} is too old; 20.19 or newer is needed`);
  process.exit(1);
}
const { existsSync } = await import("node:fs");
const { fileURLToPath } = await import("node:url");
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// A checkout has the client's source; the package has it among its dependencies.
if (existsSync(here("../../client-sdk/src")) && !existsSync(here("../../client-sdk/dist/index.js"))) {
  // Installed without scripts: what `prepare` would have built is built now.
  const { spawnSync } = await import("node:child_process");
  const words = [here("../../node_modules/typescript/bin/tsc"), "-p", here("../../client-sdk/tsconfig.build.json")];
  const built = spawnSync(process.execPath, words, { stdio: "inherit" });
  if (built.status !== 0) process.exit(1);
}
await import("./typescript.mjs");
const { main } = await import("./main.ts");
await main(process.argv);
