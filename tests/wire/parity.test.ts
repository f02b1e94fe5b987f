import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { CacheService } from "#gen/backstay/cache/v1/cache_pb.js";
import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { Access, access } from "#gen/backstay/options/v1/options_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { declareCron } from "../domains/jobs/crons.js";
import { someJobs } from "../domains/jobs/house.js";
import { operator, operatorToken } from "../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { type RestRequest, restRequest, rulesOf } from "./rest-request.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let cleo: Person;
let messageId: string;
let jobId: string;
beforeAll(async () => {
  const settings = { "events.poll_timeout": "100ms", roles: "api,relay" };
  backstay = await startBackstay(settings, { overrides: { jobs: someJobs() } });
  ada = await backstay.signUp();
  ben = await backstay.signUp();
  cleo = await backstay.signUp();
  const sent = await ben.client.messages.sendMessage({ recipientId: ada.id, text: "one" });
  messageId = sent.message!.id;
  await ben.client.messages.sendMessage({ recipientId: ada.id, text: "two" });
  const { job } = await operator(backstay).jobs.submitJob({ name: "app.mail", args: { to: "ben" }, orderKey: "key" });
  jobId = job!.id;
  await declareCron({ backstay }, { id: "app.nightly" });
});
afterAll(() => backstay.stop());

const services = [
  SystemService,
  AuthService,
  AccountService,
  ConnectionService,
  MessageService,
  CounterService,
  HistoryService,
  EventService,
  CacheService,
  JobService,
];
const methods: DescMethod[] = services.flatMap((service) => service.methods);

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the two doors' answers are compared as they are.
  json: any;
}

async function ask({ method, path, body }: RestRequest, key: string, token: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "idempotency-key": key };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(backstay.url + path, { method, headers, ...sent });
  return { status: response.status, json: await response.json() };
}

let keys = 0;

/** The same request by Connect JSON and by every REST binding that can carry it; the key makes creates the same one. */
async function byEveryDoor(method: DescMethod, request: object) {
  const key = `parity-${keys++}`;
  const path = `/${method.parent.typeName}/${method.name}`;
  const token = getOption(method, access) === Access.ADMIN ? operatorToken(backstay) : ada.token;
  const connect = await ask({ method: "POST", path, body: request }, key, token);
  const rest: Answer[] = [];
  for (const rule of rulesOf(method)) {
    const spelled = restRequest(method, rule, request as Record<string, unknown>);
    if (spelled !== undefined) rest.push(await ask(spelled, key, token));
  }
  return { connect, rest };
}

/** An error with what both doors say of it: code, message and details. */
function errorOf({ json }: Answer, door: "connect" | "rest") {
  const codes = ["", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists"];
  codes.push("permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range");
  codes.push("unimplemented", "internal", "unavailable", "data_loss", "unauthenticated");
  type Detail = { type: string; debug: object } & { "@type": string };
  const details = (json.details as Detail[]).map(({ type, debug, "@type": url, ...value }) =>
    door === "connect" ? { type, ...debug } : { type: url.replace(/^.*\//, ""), ...value },
  );
  return { code: door === "connect" ? json.code : codes[json.code], message: json.message, details };
}

/** The error as REST tells it, which names what stands in a body that is one field of the request from there. */
function fromBody(method: DescMethod, error: object): object {
  const body = rulesOf(method)[0]?.body ?? "";
  if (!/^\w+$/.test(body)) return error;
  return JSON.parse(JSON.stringify(error).replace(new RegExp(`\\b${body}\\.(?=\\w)`, "g"), "")) as object;
}

/** Requests that are answered, and that may be made twice. */
const good: [DescMethod, () => object][] = [
  [SystemService.method.ping, () => ({})],
  [SystemService.method.getInfo, () => ({})],
  [SystemService.method.getKeyStatus, () => ({})],
  [AuthService.method.getCurrent, () => ({})],
  [AuthService.method.listDevices, () => ({ pageSize: 5 })],
  [AuthService.method.revokeOtherDevices, () => ({})],
  [AuthService.method.grantRole, () => ({ id: ben.id, role: "support" })],
  [AuthService.method.revokeRole, () => ({ id: ben.id, role: "never-given" })],
  [AccountService.method.setAccountStatus, () => ({ id: ben.id, status: "ACCOUNT_STATUS_ACTIVE", reason: "ünï" })],
  [AuthService.method.createApiKey, () => ({ scopes: ["messages:read"], expireTime: "2100-01-01T00:00:00Z" })],
  [AuthService.method.listApiKeys, () => ({ accountId: "me", pageSize: 5 })],
  [AuthService.method.listPasskeys, () => ({ pageSize: 5 })],
  [AuthService.method.listIdentities, () => ({ pageSize: 5 })],
  [AuthService.method.listAuditEvents, () => ({ type: "sign_in.*", since: "2020-01-01T00:00:00Z", pageSize: 1 })],
  [AuthService.method.requestSecretReset, () => ({ login: "nobody" })],
  [AccountService.method.createAccount, () => ({ login: "by parity", secret: "long enough", name: "P" })],
  [AccountService.method.getAccount, () => ({ id: ben.id })],
  [AccountService.method.batchGetAccounts, () => ({ ids: [ben.id, ada.id] })],
  [AccountService.method.listAccounts, () => ({ pageSize: 1, descending: true, readMask: "id,name" })],
  [AccountService.method.listAccounts, () => ({ filters: [{ column: "name", op: "begins_with", values: ["Name"] }] })],
  [AccountService.method.updateAccount, () => ({ account: { id: "me", alias: "again" }, updateMask: "alias" })],
  [
    ConnectionService.method.putConnection,
    () => ({ peerId: ben.id, type: "like", properties: { ünï: ["\u2028", null, 1.5] } }),
  ],
  [ConnectionService.method.putConnection, () => ({ peerId: ben.id, type: "follow", createOnly: true })],
  [
    ConnectionService.method.updateConnection,
    () => ({
      connection: { peerId: ben.id, type: "like", properties: { a: "x", b: true } },
      updateMask: "properties.a",
    }),
  ],
  [
    ConnectionService.method.updateConnection,
    () => ({ connection: { peerId: ben.id, type: "like", properties: { a: null } } }),
  ],
  [ConnectionService.method.deleteConnections, () => ({ peerId: ben.id, type: "nothing" })],
  [
    ConnectionService.method.listConnections,
    () => ({ type: "like", since: "2020-01-01T00:00:00Z", details: true, pageSize: 1 }),
  ],
  [
    ConnectionService.method.listConnections,
    () => ({ filters: [{ column: "properties.state", op: "is_null" }], descending: true }),
  ],
  [ConnectionService.method.listReferences, () => ({ peerId: ben.id, details: true })],
  [
    ConnectionService.method.listReferences,
    () => ({ filters: [{ column: "type", op: "in", values: ["like", "follow"] }] }),
  ],
  [ConnectionService.method.listMutual, () => ({ peerId: ben.id, type: "like", pageSize: 1 })],
  [ConnectionService.method.block, () => ({ peerId: cleo.id })],
  [ConnectionService.method.listBlocked, () => ({ pageSize: 1 })],
  [ConnectionService.method.unblock, () => ({ peerId: cleo.id })],
  [CounterService.method.getCounters, () => ({})],
  [CounterService.method.getCounters, () => ({ accountId: ben.id })],
  [CounterService.method.putCounters, () => ({ counters: { ping: "-9007199254740991" } })],
  [CounterService.method.incrementCounters, () => ({ deltas: { ping: 5 } })],
  [CounterService.method.incrementCounters, () => ({ accountId: ben.id, deltas: { ping: "-1" } })],
  [HistoryService.method.appendHistory, () => ({ type: "ünï", data: { text: "\u2028", list: [1, null] } })],
  [HistoryService.method.appendHistory, () => ({ data: null })],
  [HistoryService.method.appendHistory, () => ({})],
  [HistoryService.method.listHistory, () => ({ type: "ünï", since: "2020-01-01T00:00:00Z", pageSize: 1 })],
  [HistoryService.method.listHistory, () => ({ filters: [{ column: "type", op: "ne", values: [""] }] })],
  [MessageService.method.sendMessage, () => ({ recipientId: ben.id, text: "ünï \u2028 code" })],
  [MessageService.method.listMessages, () => ({ senderId: ben.id, pageSize: 1, since: "2020-01-01T00:00:00Z" })],
  [MessageService.method.listUnread, () => ({ pageSize: 5 })],
  [MessageService.method.markRead, () => ({ id: messageId })],
  [MessageService.method.deleteMessages, () => ({ senderId: "nobody" })],
  [MessageService.method.deleteMessages, () => ({ id: "nobody" })],
  [EventService.method.poll, () => ({ types: ["message.*", "account.update"], wait: "0.05s" })],
  [EventService.method.publish, () => ({ type: "chat.line", data: { text: "ünï \u2028 code", list: [1, null] } })],
  [EventService.method.publish, () => ({ topic: "account/me", type: "chat.typing" })],
  [EventService.method.listPresence, () => ({ accountIds: [ada.id, "me", "nobody"], pageSize: 5 })],
  [CacheService.method.getStats, () => ({})],
  [CacheService.method.put, () => ({ cache: "default", key: "a/b c", value: { ünï: [1, null] }, ttl: "3600.5s" })],
  [CacheService.method.put, () => ({ cache: "default", key: "nothing", value: null })],
  [CacheService.method.get, () => ({ cache: "default", key: "a/b c" })],
  [CacheService.method.get, () => ({ cache: "default", key: "nothing" })],
  [CacheService.method.listKeys, () => ({ cache: "default", prefix: "a/", pageSize: 5 })],
  [CacheService.method.increment, () => ({ cache: "default", key: "n", by: 0 })],
  [CacheService.method.delete, () => ({ cache: "default", key: "a/b c" })],
  [CacheService.method.clear, () => ({ cache: "default" })],
  [JobService.method.submitJob, () => ({ name: "app.touch", args: { n: [1, null] }, runAt: "2100-01-01T00:00:00Z" })],
  [JobService.method.submitJob, () => ({ name: "app.touch", uniqueKey: "u", uniqueFor: "60s", timeout: "1.5s" })],
  [JobService.method.submitJobs, () => ({ jobs: [{ name: "app.touch" }, { name: "app.mail", priority: -1 }] })],
  [JobService.method.getJob, () => ({ id: jobId })],
  [JobService.method.listJobs, () => ({ states: ["JOB_STATE_QUEUED", "JOB_STATE_DEAD"], orderKey: "key" })],
  [JobService.method.listJobs, () => ({ name: "app.mail", descending: true, pageSize: 1 })],
  [JobService.method.retryJob, () => ({ id: jobId })],
  [JobService.method.cancelJob, () => ({ id: jobId })],
  [
    JobService.method.purgeJobs,
    () => ({ state: "JOB_STATE_DEAD", queue: "mail", finishedBefore: "2020-01-01T00:00:00Z" }),
  ],
  [JobService.method.listQueues, () => ({})],
  [JobService.method.pauseQueue, () => ({ name: "mail" })],
  [JobService.method.resumeQueue, () => ({ name: "mail" })],
  [JobService.method.listCrons, () => ({})],
  [JobService.method.runCron, () => ({ id: "app.nightly" })],
  [JobService.method.pauseCron, () => ({ id: "app.nightly" })],
  [JobService.method.resumeCron, () => ({ id: "app.nightly" })],
];

/** Requests that are refused. */
const bad: [DescMethod, object][] = [
  [AccountService.method.createAccount, { login: "x", secret: "", name: "" }],
  [AccountService.method.createAccount, { login: "x", secret: "long enough", name: "x", nosuch: 1 }],
  [AccountService.method.createAccount, { login: 7, secret: "long enough", name: "x" }],
  [AccountService.method.createAccount, { login: "x\u0000y", secret: "long enough", name: "x" }],
  [AccountService.method.getAccount, { id: "nobody" }],
  [AccountService.method.batchGetAccounts, { ids: [] }],
  [AccountService.method.listAccounts, { pageSize: 501 }],
  [AccountService.method.listAccounts, { pageToken: "damaged" }],
  [AccountService.method.listAccounts, { sort: "email" }],
  [AccountService.method.listAccounts, { filters: [{ column: "nosuch" }] }],
  [AccountService.method.updateAccount, { account: { id: "me", name: "x" }, updateMask: "roles" }],
  [AccountService.method.deleteAccount, { id: "0192" }],
  [AuthService.method.signIn, { login: "nobody", secret: "wrong" }],
  [AuthService.method.refresh, { refreshToken: "bs_rt_nothing" }],
  [AuthService.method.listDevices, { pageToken: "damaged" }],
  [AuthService.method.revokeDevice, { deviceId: "nobody" }],
  [AuthService.method.grantRole, { id: "nobody", role: "support" }],
  [AuthService.method.grantRole, { id: "0192", role: "Not A Role" }],
  [AuthService.method.revokeRole, { id: "nobody", role: "support" }],
  [AccountService.method.setAccountStatus, { id: "nobody", status: "ACCOUNT_STATUS_BANNED" }],
  [AccountService.method.setAccountStatus, { id: "0192" }],
  [AuthService.method.createApiKey, { name: "x", scopes: [] }],
  [AuthService.method.createApiKey, { name: "x", scopes: ["*"], accountId: "nobody" }],
  [AuthService.method.listApiKeys, { pageToken: "damaged" }],
  [AuthService.method.revokeApiKey, { keyId: "nobody" }],
  [AuthService.method.beginRegistration, {}],
  [AuthService.method.finishRegistration, { challengeId: "nothing", credential: {} }],
  [AuthService.method.beginSignIn, {}],
  [AuthService.method.finishSignIn, { challengeId: "nothing", credential: { id: "x", response: { ünï: [1, null] } } }],
  [AuthService.method.listPasskeys, { pageToken: "damaged" }],
  [AuthService.method.deletePasskey, { id: "nobody" }],
  [AuthService.method.startOAuth, { provider: "nobody" }],
  [AuthService.method.finishOAuth, { provider: "nobody", code: "x", state: "y" }],
  [AuthService.method.listIdentities, { pageSize: 501 }],
  [AuthService.method.linkIdentity, { provider: "nobody", code: "x", state: "y" }],
  [AuthService.method.unlinkIdentity, { id: "nobody" }],
  [AuthService.method.requestSecretReset, { login: " blanks " }],
  [AuthService.method.resetSecret, { login: "nobody", code: "1234 5678", secret: "long enough" }],
  [AuthService.method.requestVerification, {}],
  [AuthService.method.verify, { email: "ada@example.com", code: "1234 5678" }],
  [AuthService.method.enrollTotp, { nosuch: 1 }],
  [AuthService.method.confirmTotp, { code: "123456" }],
  [AuthService.method.disableTotp, { code: "123456" }],
  [AuthService.method.regenerateRecoveryCodes, { code: "123456" }],
  [AuthService.method.signInAnonymously, { name: "x".repeat(129) }],
  [AuthService.method.upgradeAnonymous, { login: "x", secret: "long enough" }],
  [AuthService.method.listAuditEvents, { pageToken: "damaged" }],
  [AuthService.method.listAuditEvents, { pageSize: 501 }],
  [AuthService.method.changeSecret, { old: "wrong", new: "long enough" }],
  [ConnectionService.method.putConnection, { peerId: "nobody", type: "like" }],
  [ConnectionService.method.putConnection, { peerId: "nobody", type: "Like" }],
  [ConnectionService.method.putConnection, { peerId: "nobody", type: "like", properties: "text" }],
  [ConnectionService.method.putConnection, { peerId: "nobody", type: "invite", properties: { state: "accepted" } }],
  [ConnectionService.method.updateConnection, { connection: { peerId: "0192", type: "like", properties: { a: 1 } } }],
  [ConnectionService.method.updateConnection, { connection: { peerId: "0192", type: "like" } }],
  [
    ConnectionService.method.updateConnection,
    { connection: { peerId: "0192", type: "like", properties: { a: 1 } }, updateMask: "type" },
  ],
  [ConnectionService.method.deleteConnections, { peerId: "x".repeat(65) }],
  [ConnectionService.method.listConnections, { pageToken: "damaged" }],
  [ConnectionService.method.listConnections, { filters: [{ column: "nosuch" }] }],
  [ConnectionService.method.listReferences, { pageSize: 501 }],
  [ConnectionService.method.listReferences, { filters: [{ column: "type", op: "matches", values: ["("] }] }],
  [ConnectionService.method.listMutual, { peerId: "nobody", type: "like" }],
  [ConnectionService.method.block, { peerId: "nobody" }],
  [ConnectionService.method.unblock, { peerId: "x".repeat(65) }],
  [ConnectionService.method.listBlocked, { pageToken: "damaged" }],
  [CounterService.method.getCounters, { accountId: "nobody" }],
  [CounterService.method.putCounters, { counters: { like0: 1 } }],
  [CounterService.method.putCounters, { counters: { nosuch: 1 } }],
  [CounterService.method.putCounters, { counters: { ping: "9007199254740992" } }],
  [CounterService.method.incrementCounters, {}],
  [CounterService.method.incrementCounters, { deltas: { msg_read: 1 } }],
  [CounterService.method.incrementCounters, { accountId: "nobody", deltas: { ping: 1 } }],
  [CounterService.method.incrementCounters, { deltas: { ping: 1.5 } }],
  [HistoryService.method.appendHistory, { type: "x".repeat(129) }],
  [HistoryService.method.appendHistory, { data: "a\u0000b" }],
  [HistoryService.method.listHistory, { since: "yesterday" }],
  [HistoryService.method.listHistory, { filters: [{ column: "data" }] }],
  [MessageService.method.sendMessage, { recipientId: "nobody", text: "x" }],
  [MessageService.method.listMessages, { pageSize: "many" }],
  [MessageService.method.listMessages, { since: "yesterday" }],
  [MessageService.method.markRead, { id: "nobody" }],
  [MessageService.method.deleteMessages, {}],
  [EventService.method.poll, { topics: ["not a topic"] }],
  [EventService.method.poll, { afterCursor: "damaged" }],
  [EventService.method.poll, { match: "(" }],
  [EventService.method.publish, { type: "message.add" }],
  [EventService.method.publish, { topic: "not a topic", type: "chat.line" }],
  [EventService.method.publish, { topic: "nosuch/room", type: "chat.line" }],
  [EventService.method.publish, { type: "chat.line", data: { text: "x".repeat(65_536) } }],
  [EventService.method.publish, { type: "chat.line", data: "text" }],
  [EventService.method.listPresence, {}],
  [EventService.method.listPresence, { topic: "nosuch/room" }],
  [EventService.method.listPresence, { accountIds: ["me"], pageToken: "damaged" }],
  [CacheService.method.get, { cache: "default", key: "never/there" }],
  [CacheService.method.put, { cache: "nosuch", key: "a", value: 1 }],
  [CacheService.method.put, { cache: "default", key: "a" }],
  [CacheService.method.put, { cache: "table.accounts", key: "a", value: 1 }],
  [CacheService.method.listKeys, { cache: "default", pageToken: "damaged" }],
  [CacheService.method.increment, { cache: "nosuch", key: "a" }],
  [CacheService.method.delete, { cache: "nosuch", key: "a" }],
  [CacheService.method.clear, { cache: "nosuch" }],
  [JobService.method.submitJob, { name: "app.nothing" }],
  [JobService.method.submitJob, { name: "app.count", args: { n: "text" } }],
  [JobService.method.submitJob, { name: "app.touch", args: "text" }],
  [JobService.method.submitJob, { name: "app.touch", timeout: "0.0001s" }],
  [JobService.method.submitJobs, { jobs: [] }],
  [JobService.method.submitJobs, { jobs: [{ name: "app.touch" }, { name: "app.count" }] }],
  [JobService.method.getJob, { id: "nobody" }],
  [JobService.method.listJobs, { states: ["JOB_STATE_UNSPECIFIED"] }],
  [JobService.method.listJobs, { pageToken: "damaged" }],
  [JobService.method.retryJob, { id: "nobody" }],
  [JobService.method.cancelJob, { id: "nobody" }],
  [JobService.method.purgeJobs, { state: "JOB_STATE_RUNNING" }],
  [JobService.method.purgeJobs, {}],
  [JobService.method.pauseQueue, { name: "nowhere" }],
  [JobService.method.resumeQueue, { name: "nowhere" }],
  [JobService.method.runCron, { id: "app.nothing" }],
  [JobService.method.pauseCron, { id: "app.nothing" }],
  [JobService.method.resumeCron, { id: "app.nothing" }],
];

const titled = <T>(list: [DescMethod, T][]) =>
  list.map(([method, request]) => [method.name, request, method] as [string, T, DescMethod]);

describe("a request gives the same message by Connect JSON and by REST", () => {
  it.each(titled(good))("%s", async (_, request, method) => {
    const { connect, rest } = await byEveryDoor(method, request());
    expect(connect.status, JSON.stringify(connect.json)).toBe(200);
    expect(rest.length).toBeGreaterThan(0);
    for (const answer of rest) expect(withoutTimes(answer)).toEqual(withoutTimes(connect));
  });
});

describe("a request is refused with the same code, message, reason and details by Connect JSON and by REST", () => {
  it.each(titled(bad))("%s %j", async (_, request, method) => {
    const { connect, rest } = await byEveryDoor(method, request);
    expect(connect.status).toBeGreaterThanOrEqual(400);
    expect(rest.length).toBeGreaterThan(0);
    for (const answer of rest) expect(errorOf(answer, "rest")).toEqual(fromBody(method, errorOf(connect, "connect")));
  });
});

it("every RPC with a REST path stands in this comparison, but for those that make secrets, end the caller or stream", () => {
  const compared = new Set([...good, ...bad].map(([method]) => method.name));
  const missing = methods.filter(({ name }) => !compared.has(name));
  expect(missing.map(({ name }) => name)).toEqual([
    "StartSession",
    "SignOut",
    "CompleteSetup",
    "VerifyAuditLog",
    "ExportAccount",
    "Subscribe",
    "WatchJob",
  ]);
});

describe("every RPC answers at each of its REST paths", () => {
  const bindings = methods.flatMap((method) => rulesOf(method).map((rule) => ({ method, rule })));
  it.each(bindings.map(({ method, rule }) => [method.name, rule.pattern.value as string, rule] as const))(
    "%s at %s",
    async (_, template, rule) => {
      const path = template.replace(/\{[^}]*\}/g, "0192");
      const aborted = new AbortController();
      const answer = await fetch(backstay.url + path, {
        method: rule.pattern.case!.toUpperCase(),
        headers: { "content-type": "application/json" },
        ...(rule.body !== "" && { body: "{}" }),
        signal: aborted.signal,
      });
      // Nobody is signed in, and nothing is asked for: that is said by the method, and not by the router.
      if (answer.status === 404) expect(await answer.text()).toContain("PROVIDER_NOT_FOUND");
      else expect([200, 400, 401]).toContain(answer.status);
      aborted.abort();
    },
  );
});

/** What differs because the second call came later. */
function withoutTimes({ status, json }: Answer): Answer {
  const text = JSON.stringify(json).replace(/"(updateTime|cursor|oldest)":"[^"]*"/g, '"$1":""');
  return { status, json: JSON.parse(text) };
}
