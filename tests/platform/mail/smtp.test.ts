import { createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { FinalError } from "../../../server/kernel/final-error.js";
import { smtpMailer } from "../../../server/platform/mail/smtp.js";
import { type SmtpOptions, type SmtpServer, startSmtp } from "../../support/smtp.js";

const FROM = "House <house@example.com>";
const mail = { to: "ada@example.com", subject: "Hello", text: "The text of it,\nover two lines.\n" };

async function smtp(options: SmtpOptions = {}): Promise<SmtpServer> {
  const server = await startSmtp(options);
  onTestFinished(() => server.stop());
  return server;
}

function mailer(url: string, timeoutMs?: number) {
  const made = smtpMailer({ url, from: FROM, ...(timeoutMs !== undefined && { timeoutMs }) });
  onTestFinished(() => made.close());
  return made;
}

/** What sending fails with. Fails when it does not. */
async function failure(sent: Promise<void>): Promise<Error> {
  return sent.then(
    () => {
      throw new Error("the mail was taken");
    },
    (error: Error) => error,
  );
}

it("brings a mail in plain text to its one recipient", async () => {
  const server = await smtp();
  await mailer(server.url).send(mail);
  expect(server.mails).toEqual([
    { from: "house@example.com", to: mail.to, subject: "Hello", text: mail.text, raw: expect.any(String) },
  ]);
  expect(server.mails[0]!.raw).toMatch(/^content-type: text\/plain/im);
  expect(server.mails[0]!.raw).not.toMatch(/html/i);
});

it("signs in where the URL says as whom, and uses the connection again", async () => {
  const server = await smtp({ user: { name: "house", password: "s3cret" } });
  const sender = mailer(server.url);
  await sender.send(mail);
  await sender.send(mail);
  expect(server.mails).toHaveLength(2);
  expect(server.signIns).toEqual(["house s3cret"]);
});

it("gives a password to no server elsewhere that has no TLS", async () => {
  const server = await smtp({ user: { name: "house", password: "s3cret" } });
  // Another spelling of this machine, which does not look like it.
  await failure(mailer(`smtp://house:s3cret@127.1:${server.port}`).send(mail));
  expect(server.signIns).toEqual([]);
});

it("fails for now when the server asks to come again, and for good when it does not want the mail at all", async () => {
  const server = await smtp({ refuse: [451, 550] });
  const sender = mailer(server.url);
  const later = await failure(sender.send(mail));
  expect(later).not.toBeInstanceOf(FinalError);
  expect(later.message).toBe("the mail server answered 451 to RCPT TO");
  const never = await failure(sender.send(mail));
  expect(never).toBeInstanceOf(FinalError);
  expect(never.message).toBe("the mail server answered 550 to RCPT TO");
  await sender.send(mail);
  expect(server.mails).toHaveLength(1);
});

it("fails for now, and without the password, when it may not sign in", async () => {
  const server = await smtp({ user: { name: "house", password: "s3cret" } });
  const error = await failure(mailer(server.url.replace("s3cret", "wr0ng")).send(mail));
  expect(error).not.toBeInstanceOf(FinalError);
  expect(error.message).toBe("the mail server answered 535 to AUTH");
  expect(error.stack).not.toContain("wr0ng");
});

it("gives up a server that says nothing, and one that is not there", async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const error = await failure(mailer(`smtp://127.0.0.1:${port}`, 200).send(mail));
  expect(error.message).toBe("the mail server could not be used (ETIMEDOUT)");
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  const gone = await failure(mailer(`smtp://127.0.0.1:${port}`, 200).send(mail));
  expect(gone).not.toBeInstanceOf(FinalError);
  expect(gone.message).toMatch(/^the mail server could not be used/);
});

it("gives up a server that goes on and on without coming to an end", async () => {
  const timers: NodeJS.Timeout[] = [];
  const slow = createServer((socket) => {
    socket.on("error", () => {});
    timers.push(setInterval(() => socket.write("220-still here\r\n"), 50));
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  const { port } = slow.address() as { port: number };
  const error = await failure(mailer(`smtp://127.0.0.1:${port}`, 200).send(mail));
  expect(error.message).toMatch(/^the mail server could not be used/);
  for (const timer of timers) clearInterval(timer);
  slow.close();
});

it.each([
  ["a line feed in the address", { to: "ada@example.com\nbcc: eve@example.com" }],
  ["a carriage return in the address", { to: "ada@example.com\r" }],
  ["several addresses", { to: "ada@example.com, eve@example.com" }],
  ["a name beside the address", { to: "Ada <ada@example.com>" }],
  ["a group", { to: "all:ada@example.com;" }],
  ["no address", { to: "ada" }],
  ["a line feed in the subject", { subject: "Hello\r\nbcc: eve@example.com" }],
])("sends nothing with %s", async (_, changed) => {
  const server = await smtp();
  const error = await failure(mailer(server.url).send({ ...mail, ...changed }));
  expect(error).toBeInstanceOf(FinalError);
  expect(error.message).not.toContain("@");
  expect(server.mails).toEqual([]);
});
