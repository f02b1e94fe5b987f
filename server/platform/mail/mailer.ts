/** A mail in plain text. */
export interface Mail {
  /** One address. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** The way out for mails; jobs use it, since it may take long and fail. */
export interface Mailer {
  /** Hands a mail over. Throws an Error, without the mail's text, when it was not taken; a later try may be. */
  send(mail: Mail): Promise<void>;
}
