import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readConfig } from "../../server/config.js";

const folder = mkdtempSync(join(tmpdir(), "backstay-config-webhooks-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(file: string) {
  writeFileSync(join(folder, "backstay.config.json"), file);
  return readConfig({ flags: {}, env: {}, cwd: folder, development: false });
}

it("reads the list of webhooks, beside settings of the same name", () => {
  const config = read(`{
    "webhooks.allow_private": true,
    "webhooks": [
      {"url": "https://example.com/a", "secret": "a secret of sixteen", "types": ["message.*"], "id": "messages"},
      {"url": "https://example.com/b", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "topics": ["room/{id}"]}
    ],
    "port": 7
  }`);
  expect(config).toMatchObject({ "webhooks.allow_private": true, port: 7 });
  const [messages, rooms] = config.webhooks;
  expect([messages?.id, messages?.url, rooms?.url]).toEqual([
    "messages",
    "https://example.com/a",
    "https://example.com/b",
  ]);
  expect(messages?.wants({ type: "message.add", topic: "account/1" })).toBe(true);
  expect(messages?.wants({ type: "chat.line", topic: "room/7" })).toBe(false);
  expect(rooms?.wants({ type: "chat.line", topic: "room/7" })).toBe(true);
});

it("has none without the file, and without the list", () => {
  expect(readConfig({ flags: {}, env: {}, cwd: "/nowhere", development: false }).webhooks).toEqual([]);
  expect(read('{"webhooks": {"allow_private": true}}')).toMatchObject({ webhooks: [], "webhooks.allow_private": true });
});

it.each([
  [
    '{"port": 7,\n"webhooks": [{"url": "https://example.com/"}]}',
    /json:2: webhooks\[0\]: webhook to example.com: its secret/,
  ],
  ['{"webhooks": [7]}', /json:1: webhooks\[0\]: it is an object with url and secret$/],
  [
    '{"webhooks": [{"url": "https://example.com/", "secret": "a secret of sixteen", "kind": 1}]}',
    /there is no option kind/,
  ],
  ['{"webhooks": [{"secret": "a secret of sixteen"}]}', /webhooks\[0\]: webhook: its URL begins with/],
])("stops the start for %s", (file, says) => {
  expect(() => read(file)).toThrow(says);
});

it("names the second of two that cannot be told apart, and no secret", () => {
  const entry = '{"url": "https://example.com/?token=pa55word", "secret": "a secret of sixteen"}';
  expect(() => read(`{"webhooks": [${entry}, ${entry}]}`)).toThrow(
    /webhooks\[1\]: webhook [0-9a-f]{16}: declared already/,
  );
});

it("still names the line of a mistake that comes after the list", () => {
  const file = '{"webhooks": [{"url": "https://example.com/",\n"secret": "a secret of sixteen"}],\n\n"secrets": "x"}';
  expect(() => read(file)).toThrow(/json:4: there is no setting secrets; did you mean secret\?$/);
  const short =
    '{"webhooks": [{"url": "https://example.com/",\n"secret": "a secret of sixteen"}],\n\n"secret": "x", "prot": 1}';
  expect(() => read(short)).toThrow(/json:4: there is no setting prot/);
});
