import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Log } from "../../../server/platform/log.js";
import { inboxMailer } from "../../../server/platform/mail/inbox.js";
import { upTo } from "../../domains/support.js";

let home: string;
let folder: string;
let lines: string[];
const write = (facts: object, message: string) => void lines.push(JSON.stringify({ ...facts, message }));
const log: Log = { debug: write, info: write, warn: write, error: write, flush() {} };
const mail = (text: string) => ({ to: "ada@example.com", subject: "Hello", text });

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "backstay-inbox-"));
  folder = join(home, "inbox");
  lines = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

it("keeps mails for every process that looks into the folder, newest first", async () => {
  const [one, other] = [inboxMailer({ folder, log }), inboxMailer({ folder, log })];
  expect(other.list()).toEqual([]);
  await one.send(mail("first"));
  await one.send(mail("second"));
  expect(other.list()).toEqual([
    { at: expect.stringMatching(/^\d{4}-.*Z$/), ...mail("second") },
    { at: expect.any(String), ...mail("first") },
  ]);
});

it("lets nobody else read them, and writes a line without what they say", async () => {
  await inboxMailer({ folder, log }).send(mail("1234 5678"));
  const [file] = readdirSync(folder);
  expect(statSync(join(folder, file!)).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(lines).toEqual(['{"subject":"Hello","message":"a mail is in the development inbox"}']);
});

it("keeps the last hundred, and none when it is cleared", async () => {
  const inbox = inboxMailer({ folder, log });
  for (const n of upTo(103)) await inbox.send(mail(`mail ${n}`));
  expect(readdirSync(folder)).toHaveLength(100);
  expect(inbox.list().map(({ text }) => text)).toEqual(upTo(100).map((n) => `mail ${104 - n}`));
  inbox.clear();
  expect(inbox.list()).toEqual([]);
});

it("takes no mail that could not be sent", async () => {
  const inbox = inboxMailer({ folder, log });
  await expect(inbox.send({ ...mail(""), to: "ada@example.com\nbcc: eve@example.com" })).rejects.toThrow("address");
  expect(inbox.list()).toEqual([]);
});
