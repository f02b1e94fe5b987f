import type { Overrides } from "../../../server/app.js";
import type { SettingName } from "../../../server/config.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type ReceivedMail, type SmtpOptions, type SmtpServer, startSmtp } from "../../support/smtp.js";
import { curl, eventually, openDatabase } from "../support.js";

/** A Backstay that sends its mails to a server of the test. */
export interface Mailed {
  readonly backstay: TestBackstay;
  readonly smtp: SmtpServer;
  /** The next mail to this address after those that were waited for. */
  mailTo(address: string): Promise<ReceivedMail>;
  /** Forgets that somebody has just asked for a code, who could have clicked twice. */
  askAgain(): Promise<void>;
  /** An account whose address is verified. */
  verified(): Promise<Person & { email: string }>;
  stop(): Promise<void>;
}

let addresses = 0;

export async function startMailed(
  settings: Partial<Record<SettingName, string>> = {},
  { smtp: smtpOptions, ...options }: { overrides?: Overrides; smtp?: SmtpOptions } = {},
): Promise<Mailed> {
  const smtp = await startSmtp(smtpOptions);
  const backstay = await startBackstay({ "mail.smtp_url": smtp.url, ...settings }, options);
  const seen = new Set<ReceivedMail>();
  const mailTo = (address: string) =>
    eventually(10_000, `a mail to ${address}`, async () => {
      const mail = smtp.mails.find((one) => one.to === address && !seen.has(one));
      if (mail !== undefined) seen.add(mail);
      return mail;
    });
  return {
    backstay,
    smtp,
    mailTo,
    async askAgain() {
      await openDatabase(backstay)`update backstay.jobs set unique_until = now() where unique_until is not null`;
    },
    async verified() {
      const person = await backstay.signUp();
      const email = newAddress();
      await setEmail(backstay, person, email);
      await curl(backstay, "auth.v1.AuthService/RequestVerification", {}, person.token);
      await curl(backstay, "auth.v1.AuthService/Verify", { email, code: codeIn(await mailTo(email)) });
      return { ...person, email };
    },
    async stop() {
      await backstay.stop();
      await smtp.stop();
    },
  };
}

/** An address that nobody has. */
export function newAddress(): string {
  return `person-${addresses++}@example.com`;
}

export async function setEmail(backstay: TestBackstay, { token }: { token: string }, email: string): Promise<void> {
  const update = { account: { email }, updateMask: "email" };
  await curl(backstay, "accounts.v1.AccountService/UpdateAccount", update, token);
}

/** The code of a mail, as it stands there. */
export function codeIn({ text }: ReceivedMail): string {
  const code = /^ {4}(\d{4} \d{4})$/m.exec(text)?.[1];
  if (code === undefined) throw new Error("the mail has no code");
  return code;
}

/** A code that is not this one. */
export function otherCode(code: string): string {
  return code.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
}
