import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compatRules } from "../../server/compat/rules/index.js";
import { generatedDescriptors } from "../architecture/project.js";
import { bearer } from "../domains/support.js";
import type { TestBackstay } from "../support/backstay.js";
import { callByConnect, callByRest } from "./call.js";
import { newPeople, type People, type Role, startHouse, tokenOf } from "./house.js";
import { found, type Mark, markAll } from "./marks.js";
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
];
const SECRET_FORMS = /\$argon2|bs_(at|rt|st|ct|ak|op|dt)_/;

const isRead = (method: DescMethod) => method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
const reads = (await generatedDescriptors())
  .flatMap((file) => file.services)
  .flatMap((service) => service.methods)
  .filter(isRead);

let backstay: TestBackstay;
let people: People;
let marks: Mark[];
beforeAll(async () => {
  backstay = await startHouse();
  people = await newPeople(backstay);
  const sql = postgres(backstay.databaseUrl, { max: 1, onnotice: () => {} });
  marks = await markAll(sql, people.owner.id).finally(() => sql.end());
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

/** More than the least that can be asked. */
const MORE: Readonly<Record<string, (people: People) => object[]>> = {
  "AccountService/ListAccounts": ({ owner }) => [
    { pageSize: 500, descending: true },
    { filters: [{ column: "id", op: "eq", values: [owner.id] }] },
    { readMask: "id,name,alias,createTime,updateTime" },
    { sort: "update_time", descending: true },
    ...["email", "roles", "login", "status"].map((readMask) => ({ readMask })),
  ],
  "AuthService/ListApiKeys": () => [{}, { accountId: "-" }],
  "EventService/Poll": () => [{ afterCursor: "earliest", wait: "0.05s" }],
  "EventService/Subscribe": () => [{ afterCursor: "earliest" }],
};

const compatQueries = ({ owner }: People): Record<string, string>[] => [
  {},
  { id: owner.id },
  { id: owner.id, _keys: "id", _select: "id,name,email,login,type,phone" },
  { id: owner.id, sender: owner.id, _count: "500" },
];

const shown = (answers: readonly { text: string }[]) => new Set(answers.flatMap(({ text }) => found(marks, text)));

describe("what is not public of an account", () => {
  it.each(["other", "anonymous", "narrow key"] as const)("never comes back to %s", async (role) => {
    const secrets = marks.filter(({ column }) => !PUBLIC.includes(column));
    for (const { by, text } of await answersTo(role)) {
      expect({ by, shown: found(secrets, text) }).toEqual({ by, shown: [] });
      expect(text).not.toMatch(SECRET_FORMS);
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
    for (const column of ["identities.label", "devices.name", "api_keys.name", "messages.text", "events.data"]) {
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
