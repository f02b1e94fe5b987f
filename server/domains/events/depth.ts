import { DomainError } from "../../kernel/errors.js";

/** Readers of binary messages stop at 100 levels, and count two or three for each of JSON's. */
const MOST_LEVELS = 32;

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;

/** Throws INVALID_FIELD for JSON of more levels than every reader can take; the outermost object is the first. */
export function checkDepth(json: string, field: string): void {
  let level = 0;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === "{" || token === "[") level++;
    else if (token === "}" || token === "]") level--;
    if (level > MOST_LEVELS) throw new DomainError("INVALID_FIELD", `at most ${MOST_LEVELS} levels deep`, { field });
  }
}
