import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { showingRpcs } from "../../server/kernel/event-types.js";
import { covers, coversEvent, isScope, mayGive, scopeOf } from "../../server/kernel/scopes.js";
import { generatedDescriptors } from "../architecture/project.js";

const read = { name: "backstay.messages.v1.MessageService/ListMessages", readOnly: true };
const write = { name: "backstay.messages.v1.MessageService/SendMessage", readOnly: false };
const reflection = { name: "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", readOnly: false };
const makeKey = { name: "backstay.auth.v1.AuthService/CreateApiKey", readOnly: false };
const ban = { name: "backstay.accounts.v1.AccountService/SetAccountStatus", readOnly: false };

const EVENTS = [
  "account.update",
  "auth.revoke",
  "chat.line",
  "connection.add",
  "counter.incr",
  "history.add",
  "job.done",
  "message.add",
  "presence.join",
  "system.x",
];

describe("a scope", () => {
  it.each(["*", "messages:read", "messages:write", "auth:write", "MessageService/SendMessage", "*/Get*", "a.b.C/*"])(
    "may be %s",
    (text) => expect(isScope(text)).toBe(true),
  );

  it.each(["", "messages", "messages:", "messages:*", "*:read", "Messages:read", "MessageService", "a/b/c", "a b/c"])(
    "may not be %j",
    (text) => expect(isScope(text)).toBe(false),
  );

  it("is named for each RPC: the least that covers it", () => {
    const whole = { name: "backstay.accounts.v1.AccountService/ExportAccount", readOnly: true };
    const named = [read, write, makeKey, ban, whole, reflection].map(scopeOf);
    expect(named).toEqual(["messages:read", "messages:write", "auth:write", "auth:write", "*", "*"]);
  });

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

  it.each<[string[], string[]]>([
    [["events:read"], ["chat.line", "presence.join"]],
    [["EventService/Poll"], ["chat.line"]],
    [
      ["messages:read", "events:read"],
      ["chat.line", "message.add", "presence.join"],
    ],
    [
      ["EventService/Subscribe", "HistoryService/*"],
      ["chat.line", "history.add"],
    ],
    [
      ["events:read", "connections:write", "counters:read", "accounts:read", "auth:read"],
      ["account.update", "chat.line", "counter.incr", "presence.join"],
    ],
    [
      ["*/*"],
      ["account.update", "chat.line", "connection.add", "counter.incr", "history.add", "message.add", "presence.join"],
    ],
    [["*"], EVENTS],
  ])("%j covers the events %j", (scopes, expected) => {
    expect(EVENTS.filter((type) => coversEvent(scopes, type))).toEqual(expected);
  });

  it("covers the server's events by RPCs that there are, and change nothing", async () => {
    const services = (await generatedDescriptors()).flatMap((file) => file.services);
    const reads = services.flatMap(({ typeName, methods }) =>
      methods
        .filter(({ idempotency }) => idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS)
        .map(({ name }) => `${typeName}/${name}`),
    );
    expect(reads).toEqual(expect.arrayContaining(showingRpcs()));
  });

  it("is given on by who has it, or all; auth:write by who has that", () => {
    expect(mayGive(["messages:read", "auth:write"], "messages:read")).toBe(true);
    expect(mayGive(["messages:read", "auth:write"], "messages:write")).toBe(false);
    expect(mayGive(["*", "auth:write"], "messages:write")).toBe(true);
    expect(mayGive(["*"], "auth:write")).toBe(false);
    expect(mayGive(["auth:write"], "auth:write")).toBe(true);
  });
});
