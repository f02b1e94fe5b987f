import { isOneLine } from "./one-line.js";

/** One address and nothing else: no name, no list, no group, no comment. */
const ADDRESS = /^[^\s@<>(),;:"[\]\\]+@[^\s@<>(),;:"[\]\\]+$/;

/** A name and an address; a name with a sign that would end it stands in quotes. */
const NAMED = /^(?:"(?:[^"\\]|\\["\\])*"|[^@<>,;:"\\]*) *<([^<>]*)>$/;

/** Whether a text is an address that a mail can be sent to. */
export function isMailAddress(text: string): boolean {
  return isOneLine(text) && ADDRESS.test(text);
}

/** Whether a text is one sender: an address, or `Name <address>`. */
export function isMailSender(text: string): boolean {
  return isOneLine(text) && ADDRESS.test(NAMED.exec(text)?.[1] ?? text);
}
