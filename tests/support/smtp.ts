import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

/** A mail as the server got it. */
export interface ReceivedMail {
  from: string;
  to: string;
  subject: string;
  text: string;
  /** All of it, with its head. */
  raw: string;
}

export interface SmtpServer {
  /** As `mail.smtp_url` takes it. */
  readonly url: string;
  readonly port: number;
  /** What was received, oldest first. */
  readonly mails: ReceivedMail[];
  /** What was tried to sign in with. */
  readonly signIns: string[];
  stop(): Promise<void>;
}

export interface SmtpOptions {
  /** Who may send; everybody when absent. */
  user?: { name: string; password: string };
  /** Answers a recipient with this code as often as it is in the list, and takes it afterwards. */
  refuse?: number[];
}

/** The text of a mail as a person sees it, whatever it took to bring it there. */
function readText(head: string, body: string): string {
  const encoding = /^content-transfer-encoding: (.*)$/im.exec(head)?.[1];
  if (encoding === "base64") return Buffer.from(body, "base64").toString();
  if (encoding !== "quoted-printable") return body;
  const bytes = body
    .replaceAll("=\n", "")
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}

/** A real mail server on this machine, which keeps what it gets. */
export async function startSmtp({ user, refuse = [] }: SmtpOptions = {}): Promise<SmtpServer> {
  const mails: ReceivedMail[] = [];
  const signIns: string[] = [];
  const server = new SMTPServer({
    logger: false,
    disabledCommands: ["STARTTLS"],
    authOptional: user === undefined,
    allowInsecureAuth: true,
    onAuth({ username, password }, _, done) {
      signIns.push(`${username} ${password}`);
      if (username === user?.name && password === user?.password) return done(null, { user: username });
      done(new Error("wrong name or password"));
    },
    onRcptTo({ address }, _, done) {
      const code = refuse.shift();
      if (code === undefined) return done();
      done(Object.assign(new Error(`not now, ${address}`), { responseCode: code }));
    },
    onData(stream, session, done) {
      const pieces: Buffer[] = [];
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      stream.on("end", () => {
        const raw = Buffer.concat(pieces).toString();
        const [head = "", ...body] = raw.split("\r\n\r\n");
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address).join(),
          subject: /^subject: (.*)$/im.exec(head)?.[1] ?? "",
          text: readText(head, body.join("\r\n\r\n").replaceAll("\r\n", "\n")),
          raw,
        });
        done();
      });
    },
  });
  // What the mailer breaks off is the test's own doing.
  server.on("error", () => {});
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.server.address() as AddressInfo;
  const login = user === undefined ? "" : `${user.name}:${user.password}@`;
  return {
    url: `smtp://${login}127.0.0.1:${port}`,
    port,
    mails,
    signIns,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
