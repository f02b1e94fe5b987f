import { describe, expect, it } from "vitest";
import { covers, isScope, mayGive } from "../../server/kernel/scopes.js";

const read = { name: "backstay.messages.v1.MessageService/ListMessages", readOnly: true };
const write = { name: "backstay.messages.v1.MessageService/SendMessage", readOnly: false };
const reflection = { name: "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", readOnly: false };
const makeKey = { name: "backstay.auth.v1.AuthService/CreateApiKey", readOnly: false };
const ban = { name: "backstay.accounts.v1.AccountService/SetAccountStatus", readOnly: false };

describe("a scope", () => {
  it.each(["*", "messages:read", "messages:write", "auth:write", "MessageService/SendMessage", "*/Get*", "a.b.C/*"])(
    "may be %s",
    (text) => expect(isScope(text)).toBe(true),
  );

  it.each(["", "messages", "messages:", "messages:*", "*:read", "Messages:read", "MessageService", "a/b/c", "a b/c"])(
    "may not be %j",
    (text) => expect(isScope(text)).toBe(false),
  );

  it("covers what it names, and nothing without one", () => {
    const coveredBy = (...scopes: string[]) => [read, write, reflection].map((rpc) => covers(scopes, rpc));
    expect(coveredBy()).toEqual([false, false, false]);
    expect(coveredBy("*")).toEqual([true, true, true]);
    expect(coveredBy("messages:read")).toEqual([true, false, false]);
    expect(coveredBy("messages:write")).toEqual([false, true, false]);
    expect(coveredBy("message:read", "essages:read")).toEqual([false, false, false]);
    expect(coveredBy("MessageService/Send*")).toEqual([false, true, false]);
    expect(coveredBy("essageService/SendMessage", "MessageService/Send")).toEqual([false, false, false]);
  });

  it("covers what decides who gets in by auth:write alone", () => {
    for (const rpc of [makeKey, ban]) {
      expect(covers(["*", "*/*", "accounts:write", "AuthService/CreateApiKey"], rpc)).toBe(false);
      expect(covers(["auth:write"], rpc)).toBe(true);
    }
  });

  it("covers what shows every domain when it covers all", () => {
    const whole = { name: "backstay.accounts.v1.AccountService/ExportAccount", readOnly: true };
    expect(covers(["accounts:read", "*/*", "AccountService/ExportAccount", "auth:write"], whole)).toBe(false);
    expect(covers(["*"], whole)).toBe(true);
  });

  it("is given on by who has it, or all; auth:write by who has that", () => {
    expect(mayGive(["messages:read", "auth:write"], "messages:read")).toBe(true);
    expect(mayGive(["messages:read", "auth:write"], "messages:write")).toBe(false);
    expect(mayGive(["*", "auth:write"], "messages:write")).toBe(true);
    expect(mayGive(["*"], "auth:write")).toBe(false);
    expect(mayGive(["auth:write"], "auth:write")).toBe(true);
  });
});
