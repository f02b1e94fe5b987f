import { FinalError } from "../../kernel/final-error.js";
import type { Mailer } from "./mailer.js";

/** Why a server without `mail.smtp_url` sends nothing, and what to do about it. */
export const NOT_SENT = "mails are not sent: set mail.smtp_url";

/** Where no server for mails is known nothing is sent: each mail fails for good. */
export const noMailer: Mailer = {
  send: async () => {
    throw new FinalError(NOT_SENT);
  },
};
