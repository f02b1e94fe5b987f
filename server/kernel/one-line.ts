import { fieldError } from "./field-error.js";

/** Characters that end a line or steer a terminal, and that the head of a mail does not have at all. */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;

/** Whether a text is a single line without control characters. */
export function isOneLine(text: string): boolean {
  return text.search(CONTROL) === -1;
}

/** What is left of a text that nobody is asked to write anew, such as a program's name of itself: a single line. */
export function withoutControls(text: string): string {
  return text.replaceAll(CONTROL, "");
}

/** Throws INVALID_FIELD for a name that is to stand in a line of others and is none. */
export function checkOneLine(text: string, field: string): void {
  if (!isOneLine(text)) throw fieldError("INVALID_FIELD", field, "must be one line, without control characters");
}
