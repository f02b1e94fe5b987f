import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What a run did and saw, in order: kept, so that a failure can be read after it. */
export interface History {
  readonly file: string;
  note(what: string, facts?: object): void;
  /** Writes what is still in memory. */
  flush(): void;
}

const FOLDER = fileURLToPath(new URL("../../.cache/faults/", import.meta.url));

/** Begins the history of a run, one JSON object a line. Seconds count from its beginning. */
export function history(name: string, seed: number): History {
  mkdirSync(FOLDER, { recursive: true });
  const file = join(FOLDER, `${name}-${seed}-${new Date().toISOString().replace(/[:.]/g, "-")}.jsonl`);
  const began = performance.now();
  let lines: string[] = [];
  const flush = () => {
    appendFileSync(file, lines.join(""));
    lines = [];
  };
  return {
    file,
    flush,
    note(what, facts = {}) {
      lines.push(`${JSON.stringify({ s: Math.round(performance.now() - began) / 1000, what, ...facts })}\n`);
      if (lines.length >= 1_000) flush();
    },
  };
}
