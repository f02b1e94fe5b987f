import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../log.js";
import { checkMail } from "./checked-mail.js";
import type { Mail, Mailer } from "./mailer.js";

/** A mail that was kept instead of being sent. */
export interface InboxMail extends Mail {
  /** When, in ISO 8601. */
  readonly at: string;
}

/** Where a server keeps mails during development. */
export interface Inbox extends Mailer {
  /** What was sent, newest first. */
  list(): InboxMail[];
  /** Throws all of it away. */
  clear(): void;
}

/** The newest that are kept. */
const MOST = 100;
const FILE = /^\d{13}-\d{6}-[0-9a-f]{8}\.json$/;

/**
 * Keeps mails in `folder`, each in a file of its own, which its owner alone can read: so every process of the installation sees
 * those of the others. Each is a line in the log, without its text.
 */
export function inboxMailer({ folder, log }: { folder: string; log: Log }): Inbox {
  let sent = 0;
  /** A name begins with the time, and goes on with what is later within the same millisecond. */
  const nameAt = (time: number) =>
    `${time}-${String(sent++ % 1_000_000).padStart(6, "0")}-${randomBytes(4).toString("hex")}.json`;
  /** Newest first. */
  const files = () =>
    namesIn(folder)
      .filter((name) => FILE.test(name))
      .sort()
      .reverse();
  return {
    async send(mail) {
      checkMail(mail);
      const at = new Date();
      const { to, subject, text } = mail;
      const name = nameAt(at.getTime());
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const draft = join(folder, `${name}.new`);
      writeFileSync(draft, JSON.stringify({ at: at.toISOString(), to, subject, text }), { mode: 0o600 });
      renameSync(draft, join(folder, name));
      for (const old of files().slice(MOST)) rmSync(join(folder, old), { force: true });
      log.info({ subject }, "a mail is in the development inbox");
    },
    list: () =>
      files()
        .slice(0, MOST)
        .flatMap((name) => readMail(join(folder, name))),
    clear: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Another process may have removed it just now. */
function readMail(file: string): InboxMail[] {
  try {
    return [JSON.parse(readFileSync(file, "utf8")) as InboxMail];
  } catch {
    return [];
  }
}
