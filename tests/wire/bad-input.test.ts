import { gzipSync } from "node:zlib";
import { create, type DescMethodUnary, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { testClock } from "../domains/support.js";
import { type Attempt, attempt, DOORS } from "../rpc/doors.js";
import { type Expected, invalid, TOO_LARGE, type Watch, watch } from "../rpc/must-refuse.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

const { createAccount, getAccount, batchGetAccounts } = AccountService.method;
const { signIn, refresh, getCurrent } = AuthService.method;
const { sendMessage, listMessages, markRead } = MessageService.method;
const { putConnection, updateConnection, deleteConnections, listConnections, listReferences, block } =
  ConnectionService.method;
const { getCounters, putCounters, incrementCounters } = CounterService.method;
const { appendHistory, listHistory } = HistoryService.method;

let backstay: TestBackstay;
let watched: Watch;
let ada: Person;
let ben: Person;
let expired: string;
let pageToken: string;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  watched = watch(backstay);
  expired = (await backstay.signUp()).token;
  clock.advance(16 * 60_000);
  ada = await backstay.signUp("Ada Lovelace");
  ben = await backstay.signUp();
  for (const text of ["one", "two"]) await ben.client.messages.sendMessage({ recipientId: ada.id, text });
  await ada.client.connections.putConnection({ peerId: ben.id, type: "like" });
  pageToken = (await ada.client.messages.listMessages({ pageSize: 1 })).nextPageToken;
});
afterAll(async () => {
  await watched.end();
  await backstay.stop();
});

const unauthenticated = (reason: string): Expected => ({ code: "unauthenticated", reason, fields: [] });
const person = { login: "mallory", secret: "correct horse", name: "Mallory" };
const nobody = "0190163d8694739b8b1fcb8dd4e60777";

/** A call by Ada. */
const asAda = (method: DescMethodUnary, message: JsonObject, more: Partial<Attempt> = {}): Attempt => ({
  ...attempt(method, message),
  token: ada.token,
  ...more,
});
/** A call of which only the JSON can be written. */
const inJson = (method: DescMethodUnary, text: string | Buffer, token?: string): Attempt => ({
  method,
  json: Buffer.from(text),
  token,
});
const toBen = (text: string) => asAda(sendMessage, { recipientId: ben.id, text });
const like = (properties: JsonObject) => asAda(putConnection, { peerId: ben.id, type: "like", properties });
const change = (properties: JsonObject) =>
  asAda(updateConnection, { connection: { peerId: ben.id, type: "like", properties } });
const deltas = (json: string) => inJson(incrementCounters, `{"deltas":${json}}`, ada.token);
/** Objects in one another; the innermost holds a number. */
const levels = (depth: number): JsonObject => (depth === 1 ? { a: 1 } : { a: levels(depth - 1) });
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

const many = (count: number): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`counter_${i}`, "1"]));
const NOBODY: Expected = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["peerId"] };

/** Lists of what is newer than a time. */
const LISTS = [listMessages, listHistory, listConnections, listReferences];

type Case = [name: string, make: () => Attempt, expected: Expected];

const CASES: Case[] = [
  ["an empty secret at sign-in", () => attempt(signIn, { login: "Ada Lovelace" }), invalid("INVALID_FIELD", "secret")],
  [
    "an empty secret at sign-up",
    () => attempt(createAccount, { ...person, secret: "" }),
    invalid("INVALID_FIELD", "secret"),
  ],
  [
    "a secret of 1 MB at sign-in",
    () => attempt(signIn, { login: "Ada Lovelace", secret: "s".repeat(1_000_000) }),
    invalid("INVALID_FIELD", "secret"),
  ],
  [
    "a secret of 1 MB at sign-up",
    () => attempt(createAccount, { ...person, secret: "s".repeat(1_000_000) }),
    invalid("INVALID_FIELD", "secret"),
  ],
  [
    "a secret beyond the limit of a message",
    () => attempt(createAccount, { ...person, secret: "s".repeat(1_100_000) }),
    TOO_LARGE,
  ],
  [
    "a login that is taken",
    () => attempt(createAccount, { ...person, login: "Ada Lovelace" }),
    { code: "already_exists", reason: "LOGIN_TAKEN", fields: ["login"] },
  ],
  [
    "a login whose twin by case is taken",
    () => attempt(createAccount, { ...person, login: "ada lovelace" }),
    { code: "already_exists", reason: "LOGIN_TAKEN", fields: ["login"] },
  ],
  [
    "a login whose twin by Unicode form is taken",
    () => attempt(createAccount, { ...person, login: "ａｄａ lovelace" }),
    { code: "already_exists", reason: "LOGIN_TAKEN", fields: ["login"] },
  ],
  [
    "a login with an invisible character",
    () => attempt(createAccount, { ...person, login: "mal\u200Blory" }),
    invalid("INVALID_LOGIN", "login"),
  ],
  [
    "a role that nobody gave",
    () => attempt(createAccount, { ...person, roles: ["admin"] }),
    { code: "permission_denied", reason: "ADMIN_REQUIRED", fields: ["roles"] },
  ],
  ["an unknown login", () => attempt(signIn, { login: "nobody", secret: "x" }), unauthenticated("INVALID_CREDENTIALS")],
  [
    "a wrong secret",
    () => attempt(signIn, { login: "Ada Lovelace", secret: "x" }),
    unauthenticated("INVALID_CREDENTIALS"),
  ],
  ["a refresh token that is none", () => attempt(refresh, { refreshToken: "x" }), unauthenticated("INVALID_TOKEN")],
  [
    "a message to nobody",
    () => asAda(sendMessage, { recipientId: nobody, text: "x" }),
    { code: "not_found", reason: "RECIPIENT_NOT_FOUND", fields: ["recipientId"] },
  ],
  [
    "a message to oneself",
    () => asAda(sendMessage, { recipientId: ada.id, text: "x" }),
    invalid("MESSAGE_TO_SELF", "recipientId"),
  ],
  ["an empty message", () => toBen(""), invalid("INVALID_FIELD", "text")],
  ["a message of 1 MB", () => toBen("x".repeat(1_000_000)), invalid("INVALID_FIELD", "text")],
  ["a message beyond the limit", () => toBen("x".repeat(1_100_000)), TOO_LARGE],
  ["a message far beyond the limit", () => toBen("x".repeat(8_000_000)), TOO_LARGE],
  ["a NUL in the text", () => toBen("a\0b"), invalid("NUL_IN_TEXT", "text")],
  ["a NUL in a login", () => attempt(signIn, { login: "a\0b", secret: "x" }), invalid("NUL_IN_TEXT", "login")],
  ["a NUL in an id", () => asAda(getAccount, { id: "a\0b" }), invalid("NUL_IN_TEXT", "id")],
  [
    "a NUL in one of several ids",
    () => asAda(batchGetAccounts, { ids: ["x", "a\0b"] }),
    invalid("NUL_IN_TEXT", "ids[1]"),
  ],
  [
    "invalid UTF-8 in a message",
    () => ({
      method: sendMessage,
      token: ada.token,
      json: Buffer.concat([
        Buffer.from(`{"recipientId":"${ben.id}","text":"`),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}'),
      ]),
      binary: Buffer.concat([Buffer.from([10, 32]), Buffer.from(ben.id), Buffer.from([18, 2, 0xc3, 0x28])]),
    }),
    { code: "invalid_argument", reason: "INVALID_UTF8" },
  ],
  [
    "invalid UTF-8 in what is read",
    () => ({
      method: getAccount,
      token: ada.token,
      json: Buffer.from('{"id":"\xff"}', "latin1"),
      binary: Buffer.from([10, 1, 0xff]),
    }),
    { code: "invalid_argument", reason: "INVALID_UTF8" },
  ],
  [
    "half a surrogate pair",
    () => inJson(sendMessage, `{"recipientId":"${ben.id}","text":"\\ud800"}`, ada.token),
    invalid("INVALID_UTF8", "text"),
  ],
  [
    "a page token of another query",
    () => asAda(listMessages, { pageToken, descending: true }),
    invalid("INVALID_PAGE_TOKEN", "pageToken"),
  ],
  [
    "a page token of another account",
    () => asAda(listMessages, { pageToken }, { token: ben.token }),
    invalid("INVALID_PAGE_TOKEN", "pageToken"),
  ],
  [
    "a damaged page token",
    () => asAda(listMessages, { pageToken: `${pageToken[0] === "A" ? "B" : "A"}${pageToken.slice(1)}` }),
    invalid("INVALID_PAGE_TOKEN", "pageToken"),
  ],
  ["a negative page size", () => asAda(listMessages, { pageSize: -1 }), invalid("INVALID_FIELD", "pageSize")],
  ["a huge page size", () => asAda(listMessages, { pageSize: 1_000_000_000 }), invalid("INVALID_FIELD", "pageSize")],
  [
    "a message that was never sent",
    () => asAda(markRead, { id: nobody }),
    { code: "not_found", reason: "MESSAGE_NOT_FOUND", fields: ["id"] },
  ],
  [
    "an account that does not exist",
    () => asAda(getAccount, { id: "nobody" }),
    { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["id"] },
  ],
  ["a connection to nobody", () => asAda(putConnection, { peerId: nobody, type: "like" }), NOBODY],
  [
    "a connection to oneself",
    () => asAda(putConnection, { peerId: ada.id, type: "like" }),
    invalid("CONNECTION_TO_SELF", "peerId"),
  ],
  [
    "a peer's id of 65 characters",
    () => asAda(putConnection, { peerId: "x".repeat(65), type: "like" }),
    invalid("INVALID_FIELD", "peerId"),
  ],
  [
    "a NUL in a peer's id",
    () => asAda(putConnection, { peerId: "a\0b", type: "like" }),
    invalid("NUL_IN_TEXT", "peerId"),
  ],
  ...["__proto__", "constructor ", "Like", "0like", "", "x".repeat(33), "like; drop"].map(
    (type): Case => [
      `a type of connection spelled ${JSON.stringify(type)}`,
      () => asAda(putConnection, { peerId: ben.id, type }),
      invalid("INVALID_FIELD", "type"),
    ],
  ),
  ["properties of 9 levels", () => like(levels(9)), invalid("INVALID_FIELD", "properties")],
  ["properties of 30 levels", () => like(levels(30)), invalid("INVALID_FIELD", "properties")],
  [
    "properties of 100,000 levels",
    () =>
      inJson(putConnection, `{"peerId":"${ben.id}","type":"like","properties":{"a":${nested(100_000)}}}`, ada.token),
    invalid("MALFORMED_BODY"),
  ],
  ["properties of 5 KiB", () => like({ a: "x".repeat(5_000) }), invalid("INVALID_FIELD", "properties")],
  [
    "properties of 20,000 keys",
    () => like(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i]))),
    invalid("INVALID_FIELD", "properties"),
  ],
  ["a NUL in a property", () => like({ a: ["b", { c: "d\0" }] }), invalid("NUL_IN_TEXT", "properties")],
  ["a NUL in a property's name", () => like({ "a\0b": 1 }), invalid("NUL_IN_TEXT", "properties")],
  [
    "half a surrogate pair in a property",
    () => inJson(putConnection, `{"peerId":"${ben.id}","type":"like","properties":{"a":"\\ud800"}}`, ada.token),
    invalid("INVALID_UTF8"),
  ],
  [
    "properties that are a list",
    () => inJson(putConnection, `{"peerId":"${ben.id}","type":"like","properties":[1]}`, ada.token),
    invalid("WRONG_TYPE", "properties"),
  ],
  ["a change to 9 levels", () => change(levels(9)), invalid("INVALID_FIELD", "connection.properties")],
  ["a change to 5 KiB", () => change({ a: "x".repeat(5_000) }), invalid("INVALID_FIELD", "connection.properties")],
  [
    "an invite that begins as accepted",
    () => asAda(putConnection, { peerId: ben.id, type: "invite", properties: { state: "accepted" } }),
    { code: "failed_precondition", reason: "INVITE_STATE", fields: ["properties.state"] },
  ],
  [
    "a connection there is already",
    () => asAda(putConnection, { peerId: ben.id, type: "like", createOnly: true }),
    { code: "already_exists", reason: "CONNECTION_EXISTS" },
  ],
  [
    "a change of no connection",
    () => asAda(updateConnection, { connection: { peerId: nobody, type: "__proto__", properties: { a: 1 } } }),
    invalid("INVALID_FIELD", "connection.type"),
  ],
  [
    "a deletion by an id of 65 characters",
    () => asAda(deleteConnections, { peerId: "x".repeat(65) }),
    invalid("INVALID_FIELD", "peerId"),
  ],
  [
    "a deletion by a type of 65 characters",
    () => asAda(deleteConnections, { type: "x".repeat(65) }),
    invalid("INVALID_FIELD", "type"),
  ],
  [
    "a deletion by an id with a NUL",
    () => asAda(deleteConnections, { peerId: "\0" }),
    invalid("NUL_IN_TEXT", "peerId"),
  ],
  [
    "a page token of another list",
    () => asAda(listConnections, { pageToken }),
    invalid("INVALID_PAGE_TOKEN", "pageToken"),
  ],
  [
    "17 conditions",
    () => asAda(listReferences, { filters: Array(17).fill({ column: "type", op: "eq", values: ["like"] }) }),
    invalid("INVALID_FIELD", "filters"),
  ],
  ["a block of oneself", () => asAda(block, { peerId: ada.id }), invalid("CONNECTION_TO_SELF", "peerId")],
  ["a block of nobody", () => asAda(block, { peerId: nobody }), NOBODY],
  [
    "counters of an id of 65 characters",
    () => asAda(getCounters, { accountId: "x".repeat(65) }),
    invalid("INVALID_FIELD", "accountId"),
  ],
  ["a counter that is derived", () => deltas('{"like0":1}'), invalid("DERIVED_COUNTER", 'deltas["like0"]')],
  ...["__proto__", "constructor", "toString", "", "x".repeat(64), "ping ", "Ping"].map(
    (name): Case => [
      `a counter named ${JSON.stringify(name)}`,
      () => deltas(`{"ping":"1",${JSON.stringify(name)}:"1"}`),
      { code: "invalid_argument", reason: "UNKNOWN_COUNTER" },
    ],
  ),
  [
    "a counter whose name has 65 characters",
    () => asAda(putCounters, { counters: { ["x".repeat(65)]: "1" } }),
    invalid("INVALID_FIELD", `counters["${"x".repeat(64)}…"]`),
  ],
  [
    "counters whose names have 10,000 characters",
    () =>
      asAda(putCounters, {
        counters: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`${"x".repeat(10_000)}${i}`, "1"])),
      }),
    invalid("INVALID_FIELD", ...Array(64).fill(`counters["${"x".repeat(64)}…"]`)),
  ],
  ["65 counters", () => asAda(putCounters, { counters: many(65) }), invalid("INVALID_FIELD", "counters")],
  ["no counter", () => asAda(incrementCounters, {}), invalid("INVALID_FIELD", "deltas")],
  [
    "a delta beyond what JSON can count",
    () => asAda(incrementCounters, { deltas: { ping: "9007199254740992" } }),
    invalid("INVALID_FIELD", 'deltas["ping"]'),
  ],
  ["a delta beyond all whole numbers", () => deltas('{"ping":"9223372036854775808"}'), invalid("WRONG_TYPE", "deltas")],
  ["a delta that is a fraction", () => deltas('{"ping":0.5}'), invalid("WRONG_TYPE", "deltas")],
  [
    "deltas that lead out of the whole numbers, in two steps",
    () => asAda(putCounters, { counters: { ping: "-9007199254740992" } }),
    invalid("INVALID_FIELD", 'counters["ping"]'),
  ],
  ["history of 33 levels", () => asAda(appendHistory, { data: levels(33) }), invalid("INVALID_FIELD", "data")],
  [
    "history of 100,000 levels",
    () => inJson(appendHistory, `{"data":${nested(100_000)}}`, ada.token),
    invalid("MALFORMED_BODY"),
  ],
  ["history of 65 KiB", () => asAda(appendHistory, { data: "x".repeat(66_000) }), invalid("INVALID_FIELD", "data")],
  [
    "a NUL in history",
    () => asAda(appendHistory, { data: [{ a: "\0" }] }),
    { code: "invalid_argument", reason: "NUL_IN_TEXT" },
  ],
  ["a NUL in a type of history", () => asAda(appendHistory, { type: "\0" }), invalid("NUL_IN_TEXT", "type")],
  [
    "half a surrogate pair in history",
    () => inJson(appendHistory, '{"data":{"\\udc00":1}}', ada.token),
    invalid("INVALID_UTF8"),
  ],
  [
    "a type of history of 129 characters",
    () => asAda(listHistory, { type: "x".repeat(129) }),
    invalid("INVALID_FIELD", "type"),
  ],
  ["no token", () => attempt(sendMessage, { recipientId: ben.id, text: "x" }), unauthenticated("TOKEN_MISSING")],
  ["no token where nothing is changed", () => attempt(getCurrent, {}), unauthenticated("TOKEN_MISSING")],
  [
    "an expired token",
    () => asAda(sendMessage, { recipientId: ben.id, text: "x" }, { token: expired }),
    unauthenticated("TOKEN_EXPIRED"),
  ],
  [
    "an expired token where nothing is changed",
    () => asAda(getCurrent, {}, { token: expired }),
    unauthenticated("TOKEN_EXPIRED"),
  ],
  [
    "a token with one letter changed",
    () => asAda(sendMessage, { recipientId: ben.id, text: "x" }, { token: tampered(ada.token) }),
    unauthenticated("INVALID_TOKEN"),
  ],
  [
    "a token with one letter changed where nothing is changed",
    () => asAda(listMessages, {}, { token: tampered(ada.token) }),
    unauthenticated("INVALID_TOKEN"),
  ],
  [
    "an idempotency key of two words",
    () => ({ ...toBen("x"), headers: { "idempotency-key": "two words" } }),
    invalid("INVALID_HEADER"),
  ],
  [
    "an idempotency key of 256 characters",
    () => ({ ...toBen("x"), headers: { "idempotency-key": "x".repeat(256) } }),
    invalid("INVALID_HEADER"),
  ],
  ...(
    [
      ["negative", { connect: "-1", grpc: "-1S", rest: "-1" }],
      ["of no number", { connect: "soon", grpc: "soon", rest: "soon" }],
      ["of more digits than allowed", { connect: "99999999999", grpc: "999999999S", rest: "99999999999" }],
      ["without a value", { connect: "", grpc: "", rest: "" }],
      ["in a unit there is not", { connect: "1s", grpc: "1D", rest: "1s" }],
    ] as const
  ).flatMap(([name, timeout]): Case[] => [
    [`a time-out ${name}`, () => ({ ...toBen("x"), timeout }), invalid("INVALID_HEADER")],
    [
      `a time-out ${name} where nothing is changed`,
      () => asAda(getCurrent, {}, { timeout }),
      invalid("INVALID_HEADER"),
    ],
  ]),

  [
    "an unknown field",
    () => inJson(sendMessage, JSON.stringify({ recipientId: ben.id, text: "x", nickname: "y" }), ada.token),
    invalid("UNKNOWN_FIELD", "nickname"),
  ],
  [
    "an unknown field where nothing is changed",
    () => inJson(listMessages, '{"nickname":"y"}', ada.token),
    invalid("UNKNOWN_FIELD", "nickname"),
  ],
  [
    "a field that no caller sets",
    () => inJson(createAccount, JSON.stringify({ ...person, secretHash: "x" })),
    invalid("UNKNOWN_FIELD", "secretHash"),
  ],
  [
    "a field named __proto__",
    () => inJson(createAccount, JSON.stringify(person).replace("{", '{"__proto__":{"admin":true},')),
    invalid("UNKNOWN_FIELD", "__proto__"),
  ],
  [
    "a number where text stands",
    () => inJson(sendMessage, `{"recipientId":"${ben.id}","text":1}`, ada.token),
    invalid("WRONG_TYPE", "text"),
  ],
  [
    "an object where text stands",
    () => inJson(createAccount, JSON.stringify({ ...person, secret: { $ne: "" } })),
    invalid("WRONG_TYPE", "secret"),
  ],
  [
    "text where a number stands",
    () => inJson(listMessages, '{"pageSize":"many"}', ada.token),
    invalid("WRONG_TYPE", "pageSize"),
  ],
  [
    "a fraction where a whole number stands",
    () => inJson(listMessages, '{"pageSize":1.5}', ada.token),
    invalid("WRONG_TYPE", "pageSize"),
  ],
  [
    "a date that is none",
    () => inJson(listMessages, '{"since":"yesterday"}', ada.token),
    invalid("WRONG_TYPE", "since"),
  ],
  ...LISTS.flatMap((list) =>
    ["+10000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "-0001-01-01T00:00:00Z"].map(
      (since): Case => [
        `a date beyond the years, ${since}, in ${list.name}`,
        () => inJson(list, JSON.stringify({ since }), ada.token),
        invalid("WRONG_TYPE", "since"),
      ],
    ),
  ),
  ["text that is not JSON", () => inJson(sendMessage, "recipientId=x", ada.token), invalid("MALFORMED_BODY")],
  [
    "JSON that breaks off",
    () => inJson(sendMessage, `{"recipientId":"${ben.id}"`, ada.token),
    invalid("MALFORMED_BODY"),
  ],
  ["JSON that is not an object", () => inJson(sendMessage, "[1]", ada.token), invalid("MALFORMED_BODY")],
  [
    "a field given twice",
    () => inJson(sendMessage, `{"recipientId":"${ben.id}","text":"x","text":"y"}`, ada.token),
    invalid("MALFORMED_BODY", "text"),
  ],
  [
    "a field given in both its spellings",
    () => inJson(sendMessage, `{"recipientId":"${ben.id}","recipient_id":"${nobody}","text":"y"}`, ada.token),
    invalid("MALFORMED_BODY", "recipientId"),
  ],
  ["100,000 arrays in one another", () => inJson(sendMessage, nested(100_000), ada.token), invalid("MALFORMED_BODY")],
  [
    "100,000 arrays in a field",
    () => inJson(sendMessage, `{"recipientId":"${ben.id}","text":${nested(100_000)}}`, ada.token),
    invalid("WRONG_TYPE", "text"),
  ],
  [
    "a binary message that breaks off",
    () => ({ method: sendMessage, token: ada.token, binary: Buffer.from([10, 32, 97]) }),
    invalid("MALFORMED_BODY"),
  ],
  [
    "binary that is no message",
    () => ({ method: sendMessage, token: ada.token, binary: Buffer.from([255, 255, 255, 255]) }),
    invalid("MALFORMED_BODY"),
  ],
  [
    "a time of the binary form that is none",
    () => ({
      method: listMessages,
      token: ada.token,
      binary: Buffer.from([18, 10, 8, ...Array(8).fill(255), 63]),
    }),
    invalid("WRONG_TYPE", "since"),
  ],
  ...LISTS.flatMap((list) =>
    [-62_135_596_801n, 253_402_300_800n].map(
      (seconds): Case => [
        `a time ${seconds} s after 1970 in ${list.name}`,
        () => ({ method: list, token: ada.token, binary: sinceSeconds(list, seconds) }),
        invalid("WRONG_TYPE", "since"),
      ],
    ),
  ),

  [
    "a gzip that inflates to 100 MB",
    () => ({ method: sendMessage, token: ada.token, json: bomb(), binary: bomb(), encoding: "gzip" }),
    TOO_LARGE,
  ],
  [
    "a gzip that inflates to 100 MB where nothing is changed",
    () => ({ method: getAccount, token: ada.token, json: smallBomb(), binary: smallBomb(), encoding: "gzip" }),
    TOO_LARGE,
  ],
  [
    "bytes that are not the gzip they say",
    () => ({
      method: sendMessage,
      token: ada.token,
      json: Buffer.from("{}"),
      binary: Buffer.from("{}"),
      encoding: "gzip",
    }),
    invalid("MALFORMED_BODY"),
  ],
  [
    "an encoding that is not read",
    () => ({
      method: sendMessage,
      token: ada.token,
      json: Buffer.from("{}"),
      binary: Buffer.from("{}"),
      encoding: "zstd",
    }),
    { code: "unimplemented", reason: "UNSUPPORTED_ENCODING", fields: [] },
  ],
];

it.each(CASES)("%s is refused in the same words at every door", async (_, make, expected) => {
  for (const door of DOORS) {
    const made = make();
    if (door.takes(made)) await watched.mustRefuse(() => door.call(backstay.url, made), expected, door.name);
  }
});

describe("the first times and the last are none of this", () => {
  const EARLY = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"];
  const LATE = ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999999Z"];
  const asked = LISTS.flatMap((list) =>
    [...EARLY, ...LATE].flatMap((since) => [false, true].map((descending) => ({ list, since, descending }))),
  );

  it.each(asked)("$list.name since $since, descending: $descending", async ({ list, since, descending }) => {
    for (const door of DOORS) {
      const made = asAda(list, { since, descending });
      if (!door.takes(made)) continue;
      const { code, http, text } = await door.call(backstay.url, made);
      expect({ code, http }, `${door.name} ${text}`).toEqual({ code: "", http: 200 });
    }
  });
});

describe("the table", () => {
  it("has a door for every case, and all doors for what all can carry", () => {
    const reached = new Map(CASES.map(([name, make]) => [name, DOORS.filter((door) => door.takes(make())).length]));
    expect([...reached.values()].every((count) => count > 0)).toBe(true);
    expect(reached.get("a message to nobody")).toBe(8);
    expect(reached.get("a page token of another query")).toBe(10);
    expect(reached.get("an unknown field")).toBe(4);
    expect(reached.get("a time-out negative")).toBe(7);
  });
});

it("the log of all this has no stack: none of it was a surprise", () => {
  expect(backstay.log()).not.toMatch(/"level":50|"code":"internal"/);
});

function tampered(token: string): string {
  const at = token.length - 10;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

/** A request for what is newer than a time that JSON cannot write. */
function sinceSeconds({ input }: DescMethodUnary, seconds: bigint): Uint8Array {
  return toBinary(input, create(input, { since: { seconds } } as MessageInitShape<typeof input>));
}

let inflated: Buffer | undefined;
/** 100 KB that inflate to 100 MB. */
function bomb(): Buffer {
  inflated ??= gzipSync(Buffer.alloc(100_000_000));
  return inflated;
}

/** The same, small enough for a URL. */
function smallBomb(): Buffer {
  return gzipSync(Buffer.alloc(4_000_000));
}
