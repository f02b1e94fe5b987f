import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compatRules } from "../../server/compat/rules/index.js";
import { generatedDescriptors } from "../architecture/project.js";
import { makeKey } from "../domains/auth/api-key-house.js";
import { bearer } from "../domains/support.js";
import type { TestBackstay } from "../support/backstay.js";
import { callByConnect, callByRest } from "./call.js";
import { newPeople, type People, type Role, startHouse, tokenOf } from "./house.js";
import { found, type Mark, markAll, markLinks } from "./marks.js";
import { requestsTo } from "./requests.js";

// Every column of an account holds a value of its own; what of them comes back, to whom, is all that is looked at.

/** What everyone who is signed in may see of an account. */
const PUBLIC = ["accounts.name", "accounts.alias", "accounts.created_at", "accounts.updated_at"];

/** What nobody is ever shown. */
const SECRET = [
  "identities.secret_phc",
  "identities.secret_sealed",
  "identities.subject",
  "grants.token_hash",
  "one_time_codes.code_mac",
  "totp.secret_sealed",
  "recovery_codes.code_mac",
  "auth_challenges.token_hash",
  "auth_challenges.data_sealed",
  "api_keys.key_hash",
  "api_keys.key_sealed",
  // What somebody who is blocked wrote and did: nobody's but his own.
  "withheld_messages.text",
  "withheld_counts.value",
];
const SECRET_FORMS = /\$argon2|bs_(at|rt|st|ct|ak|op|dt)_/;

const isRead = (method: DescMethod) => method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
const methods = (await generatedDescriptors()).flatMap((file) => file.services).flatMap((service) => service.methods);
const reads = methods.filter(isRead);
const writes = methods.filter((method) => !isRead(method));

let backstay: TestBackstay;
let people: People;
let marks: Mark[];
/** What stands in the owner's connections to the other one. */
let links: { kept: Mark[]; shown: Mark[] };
beforeAll(async () => {
  backstay = await startHouse();
  people = await newPeople(backstay);
  const { owner, other, admin } = people;
  // What is the server's own events tells as much as the reads of the domains that they are of.
  people.narrowKey = (await makeKey(backstay, owner.token, { scopes: ["events:read"] })).key;
  // Whoever lists connections with details finds the owner on the other side of them.
  for (const one of [other, admin]) {
    await one.client.connections.putConnection({ peerId: owner.id, type: "like" });
    await owner.client.connections.putConnection({ peerId: one.id, type: "like" });
  }
  const stranger = await backstay.signUp();
  const sql = postgres(backstay.databaseUrl, { max: 1, onnotice: () => {} });
  marks = await markAll(sql, owner.id, stranger.id);
  links = await markLinks(sql, owner.id, other.id);
  await sql.end();
});
afterAll(() => backstay.stop());

type Answer = { by: string; text: string };

const asked = new Map<Role, Promise<Answer[]>>();

/** Everything that comes back of every read about the owner, each with what asked for it; asked once. */
function answersTo(role: Role): Promise<Answer[]> {
  const answers = asked.get(role) ?? askAll(role);
  asked.set(role, answers);
  return answers;
}

async function askAll(role: Role): Promise<Answer[]> {
  const token = tokenOf(backstay, people, role);
  const requests = requestsTo(backstay);
  const answers: Answer[] = [];
  for (const method of reads) {
    const name = `${method.parent.name}/${method.name}`;
    for (const request of [await requests[name]!.request(people), ...(MORE[name]?.(people) ?? [])]) {
      const connect = await callByConnect(backstay, method, request, token);
      const rest = await callByRest(backstay, method, request, token).catch(() => undefined);
      answers.push({ by: name, text: connect.text }, { by: `${name} by REST`, text: rest?.text ?? "" });
    }
  }
  for (const { http, method } of compatRules.filter(({ method }) => isRead(method))) {
    const path = `${http.pattern.value}`;
    for (const query of compatQueries(people)) {
      const response = await fetch(`${backstay.url}${path}?${new URLSearchParams(query)}`, { headers: bearer(token) });
      const text = `${JSON.stringify([...response.headers])}\n${await response.text()}`;
      answers.push({ by: `${path} of ${method.name}`, text });
    }
  }
  return answers;
}

/** Connections in either direction, with what is shown of the accounts. */
const linked = ({ owner }: People): object[] => [
  { details: true },
  { details: true, type: "like", descending: true },
  { details: true, peerId: owner.id },
  { details: true, filters: [{ column: "peer_id", op: "eq", values: [owner.id] }] },
];

/** More than the least that can be asked. */
const MORE: Readonly<Record<string, (people: People) => object[]>> = {
  "AccountService/ListAccounts": ({ owner }) => [
    { pageSize: 500, descending: true },
    { filters: [{ column: "id", op: "eq", values: [owner.id] }] },
    { readMask: "id,name,alias,createTime,updateTime" },
    { sort: "update_time", descending: true },
    ...["email", "roles", "login", "status"].map((readMask) => ({ readMask })),
  ],
  // What is kept of oneself tells of others no more than they show.
  "AccountService/ExportAccount": () => [{ id: "me" }],
  "ConnectionService/ListConnections": linked,
  "ConnectionService/ListReferences": linked,
  "ConnectionService/ListMutual": ({ owner }) => [{ peerId: owner.id, type: "like" }],
  "CounterService/GetCounters": () => [{}],
  "HistoryService/ListHistory": () => [{ descending: true, pageSize: 500 }],
  "AuthService/ListApiKeys": () => [{}, { accountId: "-" }],
  "EventService/Poll": () => [{ afterCursor: "earliest", wait: "0.05s" }],
  "EventService/Subscribe": () => [{ afterCursor: "earliest" }],
};

const compatQueries = ({ owner }: People): Record<string, string>[] => [
  {},
  { id: owner.id },
  { id: owner.id, _keys: "id", _select: "id,name,email,login,type,phone" },
  { id: owner.id, sender: owner.id, _count: "500" },
  { _details: "1", _count: "500" },
  { id: owner.id, type: "like", _details: "1", _select: "id,name,email,login,type,phone" },
];

const by = (method: DescMethod) => `${method.parent.name}/${method.name}`;

/** What changes something between the other one and the owner, in an order in which all of it can be done. */
const BETWEEN = /\.(connections|counters|history|messages)\.v1\./;
const changes = async ({ owner, other }: People): Promise<[name: string, request: object][]> => {
  const send = () => owner.client.messages.sendMessage({ recipientId: other.id, text: "Hello" });
  const { message } = await send();
  await send();
  await owner.client.connections.putConnection({ peerId: other.id, type: "invite" });
  const peer = { peerId: owner.id };
  return [
    ["ConnectionService/PutConnection", { ...peer, type: "veiled" }],
    ["ConnectionService/PutConnection", { ...peer, type: "withheld" }],
    ["ConnectionService/UpdateConnection", { connection: { ...peer, type: "veiled", properties: { a: 1 } } }],
    [
      "ConnectionService/UpdateConnection",
      { connection: { ...peer, type: "invite", properties: { state: "accepted" } } },
    ],
    ["CounterService/IncrementCounters", { accountId: owner.id, deltas: { ping: 1 } }],
    ["CounterService/PutCounters", { counters: { ping: 1 } }],
    ["HistoryService/AppendHistory", { type: "entry", data: {} }],
    ["MessageService/MarkRead", { id: message!.id }],
    ["MessageService/ListUnread", {}],
    ["MessageService/SendMessage", { recipientId: owner.id, text: "Hello" }],
    ["ConnectionService/Block", peer],
    ["ConnectionService/Unblock", peer],
    ["MessageService/DeleteMessages", { senderId: owner.id }],
    ["ConnectionService/DeleteConnections", { ...peer, type: "veiled" }],
  ];
};

/** Everything that comes back of changes that the other one makes towards the owner. */
async function answersToChanges(): Promise<Answer[]> {
  // What is changed is not to be missing from what is read.
  await answersTo("other");
  const { token } = people.other;
  const answers: Answer[] = [];
  for (const [name, request] of await changes(people)) {
    const method = writes.find((one) => by(one) === name)!;
    const connect = await callByConnect(backstay, method, request, token);
    expect({ name, reason: connect.reason }).toEqual({ name, reason: "" });
    const rest = await callByRest(backstay, method, request, token);
    answers.push({ by: name, text: connect.text }, { by: `${name} by REST`, text: rest.text });
  }
  const between = compatRules.filter(({ method }) => !isRead(method) && BETWEEN.test(method.parent.typeName));
  for (const { http, method } of between) {
    for (const query of compatQueries(people)) {
      const path = `${http.pattern.value}?${new URLSearchParams({ text: "Hello", ...query })}`;
      const response = await fetch(backstay.url + path, { headers: bearer(token) });
      answers.push({ by: `${path} of ${method.name}`, text: await response.text() });
    }
  }
  return answers;
}

const shown = (answers: readonly { text: string }[]) => new Set(answers.flatMap(({ text }) => found(marks, text)));

describe("what is not public of an account", () => {
  it.each(["other", "anonymous", "narrow key"] as const)("never comes back to %s", async (role) => {
    const secrets = [...marks.filter(({ column }) => !PUBLIC.includes(column)), ...links.kept];
    for (const { by, text } of await answersTo(role)) {
      expect({ by, shown: found(secrets, text) }).toEqual({ by, shown: [] });
      expect(text).not.toMatch(SECRET_FORMS);
    }
  });

  it("never comes back to whoever changes something that is of both either", async () => {
    const secrets = [...marks.filter(({ column }) => !PUBLIC.includes(column)), ...links.kept];
    for (const { by, text } of await answersToChanges()) {
      expect({ by, shown: found(secrets, text) }).toEqual({ by, shown: [] });
      expect(text).not.toMatch(SECRET_FORMS);
    }
  });

  it("is looked for in the answer of every change that there is between two", async () => {
    const asked = new Set((await changes(people)).map(([name]) => name));
    const all = writes.filter(({ parent }) => BETWEEN.test(parent.typeName)).map(by);
    expect([...asked].sort()).toEqual(all.sort());
  });

  it("is looked for where it would be in what stands between two", async () => {
    const told = async (role: Role) => {
      const answers = await answersTo(role);
      return [...new Set(answers.flatMap(({ text }) => found([...links.kept, ...links.shown], text)))].sort();
    };
    expect(await told("other")).toEqual(["connections.shown"]);
    expect(await told("owner")).toEqual(["connections.hidden", "connections.withheld"]);
  });

  it("is looked for where accounts are shown beside something else", async () => {
    const shownBy = (await answersTo("other")).filter(({ text }) => found(marks, text).includes("accounts.name"));
    const names = shownBy.map(({ by }) => by);
    for (const list of ["ListConnections", "ListReferences"]) {
      expect(names).toContain(`ConnectionService/${list}`);
      expect(names).toContain(`ConnectionService/${list} by REST`);
    }
    for (const path of ["/connection/get of ListConnections", "/reference/get of ListReferences"]) {
      expect(names).toContain(path);
    }
  });

  it("is looked for where it would be: others see what is public, its owner and administrators the rest", async () => {
    expect([...shown(await answersTo("other"))].sort()).toEqual([...PUBLIC].sort());
    const toOwner = shown(await answersTo("owner"));
    const toAdmin = shown(await answersTo("admin"));
    for (const column of ["email", "phone", "gender", "birthday", "address", "roles"]) {
      expect(toOwner).toContain(`accounts.${column}`);
      expect(toAdmin).toContain(`accounts.${column}`);
    }
    for (const column of [
      "identities.label",
      "devices.name",
      "api_keys.name",
      "messages.text",
      "events.data",
      "connections.properties",
      "blocks.created_at",
      "history.data",
    ]) {
      expect(toOwner).toContain(column);
    }
    expect(toAdmin).toContain("audit_inbox.detail");
  });
});

describe("what is secret", () => {
  it("has a mark in every column that holds it", () => {
    expect(marks.map(({ column }) => column)).toEqual(expect.arrayContaining(SECRET));
  });

  it.each(["owner", "admin", "operator"] as const)("never comes back to %s either", async (role) => {
    const secrets = marks.filter(({ column }) => SECRET.includes(column));
    for (const { by, text } of await answersTo(role)) {
      expect({ by, shown: found(secrets, text) }).toEqual({ by, shown: [] });
      expect(text).not.toMatch(SECRET_FORMS);
    }
  });
});
