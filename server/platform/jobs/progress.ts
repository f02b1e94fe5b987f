import type { Database } from "../db/db.js";
import { writeProgress } from "../queue/store.js";
import type { Trouble } from "./trouble.js";

/** Milliseconds between two writes. */
const SPACING = 1_000;

/** How far jobs say that they are: the latest of each is written, about once a second. */
export interface ProgressWriter {
  say(id: string, fence: number, json: string): void;
  /** What is not written yet, which is the caller's to write now; null for none. */
  take(id: string, fence: number): string | null;
  /** Writes at once. Never rejects. */
  flush(): Promise<void>;
}

export function progressWriter(database: Database, workerId: string, trouble: Trouble): ProgressWriter {
  const said = new Map<string, { id: string; fence: number; json: string }>();
  let timer: NodeJS.Timeout | undefined;
  let last = 0;

  const flush = async () => {
    clearTimeout(timer);
    timer = undefined;
    const all = [...said.values()];
    if (all.length === 0) return;
    said.clear();
    last = performance.now();
    const written = {
      workerId,
      ids: all.map(({ id }) => id),
      fences: all.map(({ fence }) => String(fence)),
      progress: all.map(({ json }) => json),
    };
    // What is lost here was about to be replaced.
    await writeProgress({ db: database }, written).then(trouble.over, trouble.met);
  };

  return {
    say(id, fence, json) {
      said.set(`${id}.${fence}`, { id, fence, json });
      timer ??= setTimeout(() => void flush(), Math.max(0, last + SPACING - performance.now()));
    },
    take(id, fence) {
      const key = `${id}.${fence}`;
      const json = said.get(key)?.json ?? null;
      said.delete(key);
      return json;
    },
    flush,
  };
}
