import { fieldError } from "./field-error.js";

/** Readers of binary messages stop at 100 levels, and count two or three for each of JSON's. */
const MOST_LEVELS = 32;

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;
// A backslash before `u0000` is not the same: it is written as two.
const ESCAPED_NUL = /(?<!\\)(?:\\\\)*\\u0000/;
const ESCAPED_HALF = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** Whether JSON has a NUL character, which the database does not take. */
export function hasEscapedNul(json: string): boolean {
  return json.includes("\\u") && ESCAPED_NUL.test(json);
}

/** Whether JSON has half a pair of surrogates, which the database does not take. */
export function hasEscapedHalf(json: string): boolean {
  return json.includes("\\u") && ESCAPED_HALF.test(json);
}

/** Throws NUL_IN_TEXT, INVALID_UTF8 for JSON with text that the database does not take. */
export function checkText(json: string, field: string): void {
  if (hasEscapedNul(json)) throw fieldError("NUL_IN_TEXT", field);
  if (hasEscapedHalf(json)) throw fieldError("INVALID_UTF8", field);
}

/** Throws INVALID_FIELD for JSON of more than `most` levels, or than every reader can take; the outermost object is the first. */
export function checkDepth(json: string, field: string, most = MOST_LEVELS): void {
  let level = 0;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === "{" || token === "[") level++;
    else if (token === "}" || token === "]") level--;
    if (level > most) throw fieldError("INVALID_FIELD", field, `at most ${most} levels deep`);
  }
}

/**
 * How many bytes a value's JSON takes where the database writes its numbers out: 1e300, of five characters, has 301 there. `json` is
 * the value's, by JSON.stringify.
 */
export function writtenBytes(value: unknown, json: string): number {
  let zeros = 0;
  if (/\de[+-]\d/.test(json)) {
    JSON.stringify(value, (_, one) => {
      if (typeof one === "number") zeros += Number(/e[+-](\d+)$/.exec(String(one))?.[1] ?? 0);
      return one;
    });
  }
  return Buffer.byteLength(json) + zeros;
}
