import { join } from "node:path";
import type { Config } from "../config.js";
import type { Log } from "../platform/log.js";
import { type InboxMail, inboxMailer } from "../platform/mail/inbox.js";
import type { Mailer } from "../platform/mail/mailer.js";
import { NOT_SENT, noMailer } from "../platform/mail/no-mailer.js";

/** The way out for mails of this installation. */
export interface MailWay {
  readonly mailer: Mailer;
  /** What was kept instead of being sent, newest first; absent where mails are sent, or nothing is. */
  readonly inbox?: () => InboxMail[];
  stop(): void;
}

/** By the server that is configured; else, in development, into an inbox; else not at all, which the log says. */
export async function mailWay(config: Config, { isFirst, log }: { isFirst: boolean; log: Log }): Promise<MailWay> {
  const url = config["mail.smtp_url"];
  if (url !== "") {
    // Who has no server for mails is spared the library.
    const { smtpMailer } = await import("../platform/mail/smtp.js");
    const mailer = smtpMailer({ url, from: config["mail.from"] });
    return { mailer, stop: () => mailer.close() };
  }
  if (!config.development) {
    if (isFirst) log.warn({}, NOT_SENT);
    return { mailer: noMailer, stop: () => {} };
  }
  const inbox = inboxMailer({ folder: join(config.home, "tmp", "inbox"), log });
  if (isFirst) inbox.clear();
  return { mailer: inbox, inbox: inbox.list, stop: () => {} };
}
