// The package's entry. It may be all that a program of yours loads, so it brings what reads our TypeScript.
import "../cli/typescript.mjs";

const { theBackend } = await import("./backend.ts");

export function backend() {
  return theBackend(async (registry) => {
    const { startAlone } = await import("../cli/alone.ts");
    return startAlone(registry.declared);
  });
}
