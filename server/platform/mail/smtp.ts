import { createTransport } from "nodemailer";
import { FinalError } from "../../kernel/final-error.js";
import { checkMail } from "./checked-mail.js";
import type { Mailer } from "./mailer.js";

export interface SmtpOptions {
  /** Such as `smtps://user:password@host:465`. */
  url: string;
  /** The sender. */
  from: string;
  /** Milliseconds without an answer after which a server is given up. */
  timeoutMs?: number;
}

const TIMEOUT = 10_000;
/** A server that answers, but never comes to an end, is given up after so many time-outs. */
const WHOLE = 3;

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Refusals of this mail that no later try mends; a server says others of its own state, or of our rights. */
const OF_THE_MAIL = ["EENVELOPE", "EMESSAGE"];

/** Sends mails by a server, over a few connections that are kept. A password goes by TLS, but for a server on this machine. */
export function smtpMailer({ url, from, timeoutMs = TIMEOUT }: SmtpOptions): Mailer & { close(): void } {
  const { username, hostname } = new URL(url);
  const transport = createTransport(
    {
      pool: true,
      url,
      maxConnections: 2,
      maxRequeues: 0,
      requireTLS: username !== "" && !LOOPBACK.test(hostname),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
      // What a mail says is in what it would write.
      logger: false,
      debug: false,
    },
    { from },
  );
  return {
    async send(mail) {
      checkMail(mail);
      const { to, subject, text } = mail;
      const signal = AbortSignal.timeout(timeoutMs * WHOLE);
      await transport.sendMail({ to: { name: "", address: to }, subject, text, signal }).catch((error) => {
        throw inWords(error as SmtpError);
      });
    },
    close: () => transport.close(),
  };
}

interface SmtpError {
  readonly code?: string;
  /** What the server answered to. */
  readonly command?: string;
  readonly responseCode?: number;
}

/** What went wrong, without what servers and the library say: the mail, its address and our password may stand in that. */
function inWords({ code = "", command = "", responseCode }: SmtpError): Error {
  if (responseCode === undefined) return new Error(`the mail server could not be used (${code || "no reason given"})`);
  const message = `the mail server answered ${responseCode} to ${/^[A-Z]{1,10}( (FROM|TO))?/.exec(command)?.[0] ?? "us"}`;
  const isFinal = responseCode >= 500 && OF_THE_MAIL.includes(code);
  return isFinal ? new FinalError(message) : new Error(message);
}
