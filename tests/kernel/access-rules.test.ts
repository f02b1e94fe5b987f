import { expect, it } from "vitest";
import { noSuchRpc, rpcPattern } from "../../server/kernel/access-rules.js";

const NAMES = [
  "backstay.messages.v1.MessageService/SendMessage",
  "backstay.messages.v1.MessageService/ListMessages",
  "backstay.accounts.v1.AccountService/ListAccounts",
  "shop.v1.MessageService/SendMessage",
];

const patterns: [pattern: string, meant: number[]][] = [
  ["MessageService/SendMessage", [0, 3]],
  ["MessageService/*", [0, 1, 3]],
  ["*/List*", [1, 2]],
  ["*/*", [0, 1, 2, 3]],
  ["*/*s", [1, 2]],
  ["*Service/*Message*", [0, 1, 3]],
  ["backstay.messages.v1.MessageService/SendMessage", [0]],
  ["backstay.*/List*", [1, 2]],
  ["essageService/SendMessage", []],
  ["MessageService/Send", []],
  ["messages.v1.MessageService/*", []],
  ["backstayxmessages.v1.MessageService/*", []],
  ["messageservice/sendmessage", []],
];

it.each(patterns)("%s", (source, meant) => {
  const pattern = rpcPattern(source)!;
  expect(NAMES.filter(pattern.matches)).toEqual(meant.map((at) => NAMES[at]));
});

it("never means what is no RPC, such as opening a socket", () => {
  expect(rpcPattern("*/*")!.matches("socket/open")).toBe(false);
});

it.each(["", "*", "MessageService", "/MessageService/*", "a/b/c", "A/B C", "A/(B|C)", "A/B,C/D"])(
  "%o is malformed",
  (text) => {
    expect(rpcPattern(text)).toBeUndefined();
  },
);

it("names the nearest, as it was spelled", () => {
  expect(noSuchRpc("AcountService/ListAccounts", NAMES)).toBe(
    "no RPC is called AcountService/ListAccounts; did you mean AccountService/ListAccounts?",
  );
  expect(noSuchRpc("backstay.messages.v1.MessageService/Send", NAMES)).toMatch(
    /did you mean backstay\.messages\.v1\.MessageService\/SendMessage\?$/,
  );
  expect(noSuchRpc("AcountService/*", NAMES)).toBe("no RPC is called AcountService/*; did you mean AccountService/*?");
  expect(noSuchRpc("Nope/*", NAMES)).toBe("no RPC is called Nope/*");
});
