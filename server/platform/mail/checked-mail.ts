import { FinalError } from "../../kernel/final-error.js";
import { isMailAddress } from "../../kernel/mail-address.js";
import { isOneLine } from "../../kernel/one-line.js";
import type { Mail } from "./mailer.js";

/**
 * Throws a FinalError for a mail whose head could say more than it is to: whose address is not one address, or whose subject has
 * more than one line. Neither stands in the error.
 */
export function checkMail({ to, subject }: Mail): void {
  if (!isMailAddress(to)) throw new FinalError("the address is none that mails are sent to");
  if (!isOneLine(subject)) throw new FinalError("the subject of the mail has a control character");
}
