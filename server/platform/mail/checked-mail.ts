import { FinalError } from "../../kernel/final-error.js";
import type { Mail } from "./mailer.js";

/** Characters that end a line, or that a mail's head does not have at all. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** One address and nothing else: no name, no list, no group, no comment. */
const ADDRESS = /^[^\s@<>(),;:"[\]\\]+@[^\s@<>(),;:"[\]\\]+$/;

/**
 * Throws a FinalError for a mail whose head could say more than it is to: whose address is not one address, or whose subject has
 * more than one line. Neither stands in the error.
 */
export function checkMail({ to, subject }: Mail): void {
  if (CONTROL.test(to) || !ADDRESS.test(to)) throw new FinalError("the address is none that mails are sent to");
  if (CONTROL.test(subject)) throw new FinalError("the subject of the mail has a control character");
}
