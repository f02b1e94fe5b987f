import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { makeKey } from "../domains/auth/api-key-house.js";
import { withCookie } from "../domains/auth/cookies.js";
import { bearer, operatorToken } from "../domains/support.js";
import { openSocket, reasonOf } from "../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { request } from "../support/http-request.js";
import { attempt, DOORS, type Door } from "./doors.js";

const { sendMessage, listMessages } = MessageService.method;
const { batchGetAccounts, getAccount, listAccounts, createAccount } = AccountService.method;
const { ping, getInfo } = SystemService.method;

const DENIED = { code: "permission_denied", reason: "METHOD_DENIED" };
const FOR_ADMINS = { code: "permission_denied", reason: "ADMIN_REQUIRED" };
const FOR_ACCOUNTS = { code: "unauthenticated", reason: "TOKEN_MISSING" };
const CARRIED_OUT = { code: "", reason: "" };

/** How a call ended. */
const outcome = async (backstay: TestBackstay, door: Door, made: ReturnType<typeof attempt>) => {
  const { code, reason } = await door.call(backstay.url, made);
  return { code, reason };
};

describe("rules by RPC hold at every door", () => {
  let backstay: TestBackstay;
  let ada: Person;
  let admin: string;
  beforeAll(async () => {
    backstay = await startBackstay({
      "access.deny": "MessageService/SendMessage, backstay.jobs.v1.JobService/Get*, EventService/Publish",
      "access.admin": "AccountService/ListAccounts, MessageService/*",
      "access.public": "AccountService/*Get*, MessageService/*, */List*, EventService/Poll, AccountService/GetAccount",
    });
    ada = await backstay.signUp("ada");
    admin = operatorToken(backstay);
  });
  afterAll(() => backstay?.stop());

  describe.each(DOORS)("$name", (door) => {
    const takes = (made: ReturnType<typeof attempt>) => door.takes(made);

    it("what is denied is denied to everybody, before anybody is asked who he is", async () => {
      const made = (token?: string) => attempt(sendMessage, { recipientId: ada.id, text: "hello" }, { token });
      if (!takes(made())) return expect(door.name).toMatch("GET");
      for (const token of [undefined, "bs_at_no-such-token", ada.token, admin]) {
        expect(await outcome(backstay, door, made(token))).toEqual(DENIED);
      }
    });

    it("what is for administrators is for them alone", async () => {
      const made = (token?: string) => attempt(listAccounts, { pageSize: 1 }, { token });
      expect(await outcome(backstay, door, made())).toEqual(FOR_ACCOUNTS);
      expect(await outcome(backstay, door, made(ada.token))).toEqual(FOR_ADMINS);
      expect(await outcome(backstay, door, made(admin))).toEqual(CARRIED_OUT);
      // It wins over what is public.
      expect(await outcome(backstay, door, attempt(listMessages, {}, { token: ada.token }))).toEqual(FOR_ADMINS);
    });

    it("what is public is open to anyone, and a verb that needs an account says so itself", async () => {
      expect(await outcome(backstay, door, attempt(batchGetAccounts, { ids: [ada.id] }))).toEqual(CARRIED_OUT);
      const own = (token?: string) => attempt(getAccount, { id: "me" }, { token });
      const needed = { code: "permission_denied", reason: "ACCOUNT_REQUIRED" };
      expect(await outcome(backstay, door, own())).toEqual(needed);
      expect(await outcome(backstay, door, own(ada.token))).toEqual(CARRIED_OUT);
    });

    it("whoever shows a token that is not valid hears so, unless the contract itself leaves the RPC to anyone", async () => {
      const token = "bs_at_no-such-token";
      const refused = { code: "unauthenticated", reason: "INVALID_TOKEN" };
      for (const id of ["me", ada.id]) {
        expect(await outcome(backstay, door, attempt(getAccount, { id }, { token }))).toEqual(refused);
      }
      expect(await outcome(backstay, door, attempt(getInfo, {}, { token }))).toEqual(CARRIED_OUT);
    });

    it("a session cookie that is not valid is as none: a browser sends it unasked, and cannot take it away", async () => {
      const headers = withCookie("bs_ct_no-such-cookie");
      const made = attempt(batchGetAccounts, { ids: [ada.id] }, { headers });
      expect(await outcome(backstay, door, made)).toEqual(CARRIED_OUT);
      const refused = { code: "unauthenticated", reason: "INVALID_TOKEN" };
      const { getCurrent } = AuthService.method;
      expect(await outcome(backstay, door, attempt(getCurrent, {}, { headers }))).toEqual(refused);
    });

    it("an API key without the scope hears so, unless the contract itself leaves the RPC to anyone", async () => {
      const { key: token } = await makeKey(backstay, ada.token, { scopes: ["history:read"] });
      const missing = { code: "permission_denied", reason: "SCOPE_MISSING" };
      expect(await outcome(backstay, door, attempt(getAccount, { id: ada.id }, { token }))).toEqual(missing);
      expect(await outcome(backstay, door, attempt(getInfo, {}, { token }))).toEqual(CARRIED_OUT);
    });

    it("what only administrators may call is not opened", async () => {
      const made = (token?: string) => attempt(JobService.method.listJobs, {}, { token });
      expect(await outcome(backstay, door, made())).toEqual(FOR_ACCOUNTS);
      expect(await outcome(backstay, door, made(ada.token))).toEqual(FOR_ADMINS);
    });
  });

  it("OpenAPI says of what is public that a token may be refused, and that none is needed", async () => {
    const { json } = await request(`${backstay.url}/openapi.json`);
    const { security, responses } = json.paths["/v1/accounts/{id}"].get;
    expect(security).toContainEqual({});
    const refusals = JSON.stringify(json.components.responses[responses["401"].$ref.split("/").at(-1)]);
    expect(refusals).toContain("TOKEN_EXPIRED");
    expect(refusals).not.toContain("TOKEN_MISSING");
  });

  it("a stranger sees of an account what others see", async () => {
    const { json } = await request(`${backstay.url}/v1/accounts/${ada.id}`);
    expect(json).toMatchObject({ account: { id: ada.id, name: "Name of ada" } });
    expect(json.account).not.toHaveProperty("login");
  });

  it("the predecessor's paths are denied, kept for administrators and opened alike", async () => {
    const ask = (path: string, token?: string) => request(backstay.url + path, { headers: bearer(token) });
    expect(await ask("/message/add?id=me&msg=hi", ada.token)).toMatchObject({ status: 403, json: { status: 403 } });
    expect((await ask("/message/add?id=me&msg=hi", admin)).status).toBe(403);
    expect((await ask("/account/select", ada.token)).status).toBe(403);
    expect((await ask("/account/select", admin)).status).toBe(200);
    expect(await ask(`/account/get?id=${ada.id}`)).toMatchObject({ status: 200, json: [{ id: ada.id }] });
  });

  it("case 78: a frame that is a path of administrators is refused with permission_denied, as is one that is denied", async () => {
    const socket = await openSocket(backstay.url, { headers: bearer(ada.token) });
    for (const path of ["/v1/jobs", "/v1/accounts", "/account/select", "/v1/messages"]) {
      const frame = await socket.ask(path);
      expect(frame, path).toMatchObject({ op: path, status: 403 });
    }
    expect(reasonOf(await socket.ask("/v1/jobs"))).toBe("ADMIN_REQUIRED");
    const admins = await openSocket(backstay.url, { headers: bearer(admin) });
    expect(await admins.ask("/v1/jobs")).toMatchObject({ status: 200 });
    const rpc = "/backstay.jobs.v1.JobService/GetJob?connect=v1&encoding=json&message=%7B%7D";
    expect((await admins.ask(rpc)).status).toBe(403);
    expect((await admins.ask("/message/add?id=me&msg=hi")).status).toBe(403);
    expect(reasonOf(await admins.ask({ op: "publish", topic: "room/1", type: "a" }))).toBe("METHOD_DENIED");
    expect(await admins.ask("/v1/ping")).toMatchObject({ status: 200 });
  });
});

it("whatever is denied, Ping and health stay", async () => {
  const backstay = await startBackstay({ "access.deny": "*/*", "access.admin": "*/*" });
  try {
    for (const door of DOORS) {
      expect(await outcome(backstay, door, attempt(ping, {})), door.name).toEqual(CARRIED_OUT);
      expect(await outcome(backstay, door, attempt(getInfo, {})), door.name).toEqual(DENIED);
    }
    const health = `${backstay.url}/grpc.health.v1.Health/Check`;
    const headers = { "content-type": "application/json" };
    expect((await request(health, { headers, body: "{}" })).json).toEqual({ status: "SERVING" });
    for (const path of ["/healthz", "/readyz", "/ping"]) {
      expect((await request(backstay.url + path)).status, path).toBe(200);
    }
  } finally {
    await backstay.stop();
  }
});

it("what is public can be kept for administrators", async () => {
  const backstay = await startBackstay({ "access.admin": "AccountService/CreateAccount" });
  try {
    const made = (token?: string) =>
      attempt(createAccount, { login: "ada", secret: "a secret", name: "Ada" }, { token });
    const door = DOORS[0]!;
    expect(await outcome(backstay, door, made())).toEqual(FOR_ACCOUNTS);
    expect(await outcome(backstay, door, made(operatorToken(backstay)))).toEqual(CARRIED_OUT);
  } finally {
    await backstay.stop();
  }
});

describe("a domain that is switched off", () => {
  let backstay: TestBackstay;
  let ada: Person;
  beforeAll(async () => {
    // The last of them is one of the predecessor's that there is not.
    backstay = await startBackstay({ "access.disable": "messages, jobs, data" });
    ada = await backstay.signUp("ada");
  });
  afterAll(() => backstay?.stop());

  it("is not served by any door", async () => {
    const made = attempt(listMessages, {}, { token: ada.token });
    for (const door of DOORS) {
      const expected = door.name === "REST" ? { http: 404 } : { code: "unimplemented" };
      expect(await door.call(backstay.url, made), door.name).toMatchObject(expected);
    }
    const ask = (path: string) => request(backstay.url + path, { headers: bearer(ada.token) });
    expect((await ask("/message/get")).status).toBe(404);
    expect((await ask("/account/get")).status).toBe(200);
    const socket = await openSocket(backstay.url, { headers: bearer(ada.token) });
    expect(await socket.ask("/v1/messages")).toMatchObject({ status: 404 });
  });

  it("stands neither in OpenAPI nor in the health of services nor in reflection", async () => {
    const { json } = await request(`${backstay.url}/openapi.json`);
    expect(Object.keys(json.paths)).toEqual(expect.arrayContaining(["/v1/accounts"]));
    expect(Object.keys(json.paths).filter((path) => /messages|jobs|crons|queues/.test(path))).toEqual([]);
    const ask = (path: string) =>
      request(backstay.url + path, { headers: { "content-type": "application/json" }, body: "{}" });
    const services = Object.keys((await ask("/grpc.health.v1.Health/List")).json.statuses);
    expect(services).toContain(AccountService.typeName);
    expect(services).not.toContain(MessageService.typeName);
    expect(services).not.toContain(JobService.typeName);
  });

  it("still erases what it holds of an account", async () => {
    await ada.client.accounts.deleteAccount({ id: "me" });
    const { status } = await request(`${backstay.url}/v1/accounts/${ada.id}`, {
      headers: bearer(operatorToken(backstay)),
    });
    expect(status).toBe(404);
  });
});

it("with the events switched off no WebSocket is opened", async () => {
  const backstay = await startBackstay({ "access.disable": "events" });
  try {
    await expect(openSocket(backstay.url)).rejects.toThrow(/the socket was refused|socket hang up/);
    expect((await request(`${backstay.url}/account/subscribe`)).status).toBe(404);
  } finally {
    await backstay.stop();
  }
});

describe("what rules cannot mean stops the start", () => {
  const refusals: [
    setting: "access.deny" | "access.admin" | "access.public" | "access.disable",
    text: string,
    says: string,
  ][] = [
    [
      "access.deny",
      "MesageService/SendMessage",
      "--access-deny: access.deny: no RPC is called MesageService/SendMessage; did you mean MessageService/SendMessage?",
    ],
    [
      "access.admin",
      "backstay.jobs.v1.JobService/Fetch*",
      "no RPC is called backstay.jobs.v1.JobService/Fetch*; did you mean backstay.jobs.v1.JobService/",
    ],
    [
      "access.public",
      "JobService/*",
      "access.public: JobService/* is for administrators; only RPCs for accounts can be opened",
    ],
    ["access.deny", "SystemService/Ping", "access.deny: SystemService/Ping is always answered"],
    [
      "access.deny",
      "MessageService",
      "--access-deny: access.deny must be RPCs by comma, such as MessageService/SendMessage or AccountService/*: MessageService is none",
    ],
    ["access.deny", "/message/add", "/message/add is none"],
    [
      "access.disable",
      "message",
      "--access-disable: access.disable: there is no domain message; did you mean messages?",
    ],
    ["access.disable", "auth", "access.disable: the server itself needs auth"],
    ["access.disable", "messages,accounts", "access.disable: the server itself needs accounts"],
  ];
  it.each(refusals)("%s=%s", async (setting, text, says) => {
    await expect(startBackstay({ [setting]: text })).rejects.toThrow(says);
  });
});
