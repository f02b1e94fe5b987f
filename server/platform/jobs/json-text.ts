import { hasEscapedHalf, hasEscapedNul } from "../../kernel/json-text.js";

/** Most bytes of what a job returns, and of what it says of how far it is, as JSON. */
const MOST_BYTES = 256 * 1024;

/** What cannot be kept, and why. */
export class NotKept extends Error {
  override readonly name = "NotKept";
}

/** A value as the JSON that is kept of it; null for none. Throws NotKept. `what` names it, such as "the job's result". */
export function jsonText(value: unknown, what: string): string | null {
  if (value === undefined || value === null) return null;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new NotKept(`${what} is no JSON: ${(error as Error).message}`);
  }
  if (text === undefined) throw new NotKept(`${what} is no JSON, but a ${typeof value}`);
  if (Buffer.byteLength(text) > MOST_BYTES) throw new NotKept(`${what} is larger than 256 KiB of JSON`);
  if (hasEscapedNul(text) || hasEscapedHalf(text))
    throw new NotKept(`${what} has text with a NUL character, or that is not valid Unicode`);
  return text;
}
