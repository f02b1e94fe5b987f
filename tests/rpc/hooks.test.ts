import http2 from "node:http2";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
import type { SettingName } from "../../server/config.js";
import { type AuthOutcome, type DeclaredHooks, declaredHooks, type HookRequest } from "../../server/kernel/hooks.js";
import type { Log } from "../../server/platform/log.js";
import { Call } from "../../server/rpc/call.js";
import { createHookRunner } from "../../server/rpc/hooks.js";
import type { Method } from "../../server/rpc/methods.js";
import { addAccount, signature, get as signedGet, post as signedPost } from "../compat/predecessor.js";
import { bearer, operatorToken } from "../domains/support.js";
import { openSocket, reasonOf } from "../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { request } from "../support/http-request.js";
import { attempt, DOORS } from "./doors.js";

const { getAccount, batchGetAccounts } = AccountService.method;
const REFUSED = "REFUSED_BY_APP";

/** A Backstay with the hooks that are declared here, and somebody of it. It ends with the test. */
async function withHooks(
  declare: (hooks: DeclaredHooks) => void,
  settings: Partial<Record<SettingName, string>> = {},
): Promise<{ backstay: TestBackstay; ada: Person; get: (path: string, token?: string) => ReturnType<typeof request> }> {
  const hooks = declaredHooks();
  declare(hooks);
  const backstay = await startBackstay(settings, { overrides: { hooks } });
  onTestFinished(() => backstay.stop());
  const ada = await backstay.signUp();
  return { backstay, ada, get: (path, token) => request(backstay.url + path, { headers: bearer(token) }) };
}

describe("beforeAuth", () => {
  it("refuses at every door, before anybody is asked who he is, in the app's words", async () => {
    const asked: (string | undefined)[] = [];
    const { backstay, ada } = await withHooks((hooks) => {
      hooks.declare("beforeAuth", "AccountService/GetAccount", ({ rpc }) => {
        asked.push(rpc);
        return { status: 429, message: "Come back tomorrow." };
      });
    });
    for (const door of DOORS) {
      for (const token of [undefined, "bs_at_no-such-token", ada.token, operatorToken(backstay)]) {
        const { code, reason, text } = await door.call(backstay.url, attempt(getAccount, { id: "me" }, { token }));
        expect({ code, reason }, door.name).toEqual({ code: "resource_exhausted", reason: REFUSED });
        expect(text).toContain("Come back tomorrow.");
      }
      const other = attempt(batchGetAccounts, { ids: ["me"] }, { token: ada.token });
      expect(await door.call(backstay.url, other), door.name).toMatchObject({ code: "" });
    }
    expect(new Set(asked)).toEqual(new Set([`${AccountService.typeName}/GetAccount`]));
    const socket = await openSocket(backstay.url, { headers: bearer(ada.token) });
    expect(reasonOf(await socket.ask("/v1/accounts/me"))).toBe(REFUSED);
  });

  it("opens a path to anyone: nobody asks who calls, and a verb that needs an account says so", async () => {
    const { get, ada } = await withHooks((hooks) => {
      hooks.declare("beforeAuth", /^\/account\/get$/, () => ({ allow: true }));
      hooks.declare("afterAuth", "/account/get", () => ({ status: 409, message: "It is not asked." }));
    });
    expect(await get(`/account/get?id=${ada.id}`)).toMatchObject({ status: 200, json: [{ id: ada.id }] });
    expect(await get(`/account/get?id=${ada.id}`, "bs_at_no-such-token")).toMatchObject({ status: 200 });
    expect(await get("/account/get", ada.token)).toMatchObject({ status: 403 });
    expect(await get("/account/select", undefined)).toMatchObject({ status: 401 });
  });

  it("opens nothing that is for administrators, nor what is denied", async () => {
    const { backstay, get, ada } = await withHooks(
      (hooks) => hooks.declare("beforeAuth", "*/*", () => ({ allow: true })),
      { "access.deny": "MessageService/ListMessages", "access.admin": "AccountService/ListAccounts" },
    );
    expect(await get("/v1/jobs")).toMatchObject({ status: 401, reason: "TOKEN_MISSING" });
    expect(await get("/v1/jobs", ada.token)).toMatchObject({ status: 403, reason: "ADMIN_REQUIRED" });
    expect(await get("/v1/jobs", operatorToken(backstay))).toMatchObject({ status: 200 });
    expect(await get("/v1/accounts")).toMatchObject({ status: 401, reason: "TOKEN_MISSING" });
    expect(await get("/v1/messages", ada.token)).toMatchObject({ status: 403, reason: "METHOD_DENIED" });
  });

  it("is asked in the order of declaration, until one has an answer", async () => {
    const asked: string[] = [];
    const { get } = await withHooks((hooks) => {
      hooks.declare("beforeAuth", "/v1/*", async () => void asked.push("first"));
      hooks.declare("beforeAuth", { method: "POST", path: "/v1/info" }, () => void asked.push("another method"));
      hooks.declare("beforeAuth", "SystemService/GetInfo", async () => {
        asked.push("second");
        return { status: 404 };
      });
      hooks.declare("beforeAuth", "/v1/info", () => void asked.push("third"));
    });
    expect(await get("/v1/info")).toMatchObject({ status: 404, reason: REFUSED });
    expect(asked).toEqual(["first", "second"]);
  });

  it("is told of the request what proves nobody", async () => {
    const told: HookRequest[] = [];
    const { backstay, ada } = await withHooks((hooks) => {
      hooks.declare("beforeAuth", "/v1/info", (about) => void told.push(about));
      hooks.declare("beforeAuth", "/ws", (about) => void told.push(about));
    });
    const secrets = {
      ...bearer(ada.token),
      cookie: "__Host-backstay=a-cookie",
      "bk-signature": "a-signature",
      "bk-access-token": "a-signature-too",
      signature: "sig1=:another:",
      "signature-input": "sig1=()",
      "proxy-authorization": "Basic abc",
    };
    await request(`${backstay.url}/v1/info?bk-signature=in-the-query`, { headers: { ...secrets, "x-own": "seen" } });
    const session = http2.connect(backstay.url);
    await new Promise<void>((resolve) => {
      const stream = session.request({ ":path": "/v1/info?bk-signature=in-the-query", ...secrets, "x-own": "seen" });
      stream.on("close", () => session.close(resolve)).resume();
    });
    for (const one of told) {
      expect(one).toMatchObject({
        rpc: "backstay.system.v1.SystemService/GetInfo",
        path: "/v1/info",
        httpMethod: "GET",
      });
      expect(one.address).toMatch(/127\.0\.0\.1$/);
      expect(one.headers["x-own"]).toBe("seen");
      expect(JSON.stringify(one)).not.toMatch(/bs_at_|cookie|signature|Basic|another/);
    }
    expect(told).toHaveLength(2);
    await openSocket(backstay.url, { protocols: ["backstay.v1", `bearer.${ada.token}`] });
    expect(told[2]).toMatchObject({ rpc: undefined, path: "/ws" });
    expect(JSON.stringify(told[2])).not.toContain(ada.token);
  });
});

describe("afterAuth", () => {
  it("is told who calls, or why he is refused, at every door and by every proof", async () => {
    const told: unknown[] = [];
    const { backstay, ada } = await withHooks((hooks) => {
      hooks.declare("afterAuth", "AccountService/GetAccount", (_, outcome) => void told.push(outcome));
    });
    for (const door of DOORS) {
      for (const token of [undefined, "bs_at_no-such-token", ada.token, operatorToken(backstay)]) {
        await door.call(backstay.url, attempt(getAccount, { id: ada.id }, { token }));
      }
      const missing = { reason: "TOKEN_MISSING", status: 401, message: expect.any(String) };
      expect(told.splice(0), door.name).toEqual([
        { caller: undefined, error: missing },
        { caller: undefined, error: { ...missing, reason: "INVALID_TOKEN" } },
        { caller: { accountId: ada.id, roles: [], via: "token" }, error: undefined },
        { caller: { accountId: undefined, roles: ["admin"], via: "operator" }, error: undefined },
      ]);
    }
  });

  it("is told once of a signature, which only the body proves, and of the RPC whose path may begin a session", async () => {
    const told: [rpc: string | undefined, caller: unknown, reason: string | undefined][] = [];
    const { backstay } = await withHooks((hooks) => {
      hooks.declare(
        "afterAuth",
        /^\/(auth|message\/get)$/,
        ({ rpc }, { caller, error }) => void told.push([rpc?.split("/")[1], caller?.via, error?.reason]),
      );
    });
    const ann = await addAccount(backstay);
    expect(await signedGet(backstay, "/message/get", ann)).toMatchObject({ status: 200 });
    expect(await signedGet(backstay, "/auth?_session=1", ann)).toMatchObject({ status: 200 });
    expect(await signedPost(backstay, "/auth", { a: "b" }, ann)).toMatchObject({ status: 200 });
    expect(await signedGet(backstay, "/message/get", { ...ann, secret: "another" })).toMatchObject({ status: 401 });
    expect(told).toEqual([
      ["ListMessages", "signature", undefined],
      ["GetCurrent", "signature", undefined],
      ["GetCurrent", "signature", undefined],
      ["ListMessages", undefined, "INVALID_SIGNATURE"],
    ]);
  });

  it("is asked about a session that a path of the predecessor's begins or ends besides, and so is beforeAuth", async () => {
    const told: unknown[] = [];
    const { backstay } = await withHooks(
      (hooks) => {
        hooks.declare("beforeAuth", "AuthService/StartSession", ({ rpc, address, headers }) => {
          told.push(["before", rpc?.split("/")[1], address]);
          return headers["x-say"] === "before" ? { redirect: "/ask-first" } : { allow: true };
        });
        hooks.declare("afterAuth", "AuthService/S*", ({ rpc, headers }, { caller }) => {
          told.push(["after", rpc?.split("/")[1], caller?.via]);
          return headers["x-say"] === "after" ? { status: 403, message: "Not from here." } : undefined;
        });
        hooks.declare("afterAuth", "/auth", ({ rpc }) => void told.push(["path", rpc?.split("/")[1]]));
      },
      { "limits.trusted_proxies": "127.0.0.1" },
    );
    const ann = await addAccount(backstay);
    told.length = 0;
    const by = (say: string) => ({ "x-say": say, "x-forwarded-for": "192.0.2.9" });
    const signed = (path: string, say: string) => {
      const headers = { ...by(say), "bk-signature": signature(ann, { method: "GET", url: backstay.url + path }) };
      return request(backstay.url + path, { headers });
    };

    const asked = [
      ["path", "GetCurrent"],
      ["before", "StartSession", "192.0.2.9"],
    ];
    const moved = await signed("/auth?_session=1", "before");
    expect(moved).toMatchObject({ status: 302, headers: { location: "/ask-first" }, cookies: [] });
    expect(told.splice(0)).toEqual(asked);
    const refused = await signed("/auth?_session=1", "after");
    expect(refused).toMatchObject({ status: 403, json: { message: "Not from here." }, cookies: [] });
    expect(told.splice(0)).toEqual([...asked, ["after", "StartSession", "signature"]]);
    const begun = await signed("/auth?_session=1", "nothing");
    expect(begun).toMatchObject({ status: 200, json: { id: ann.id } });
    const cookie = begun.cookies[0]!.split(";")[0]!;

    told.length = 0;
    const end = (say: string) =>
      request(`${backstay.url}/auth`, {
        headers: { ...by(say), cookie, "content-type": "application/json", origin: backstay.url },
        body: '{"_session":0}',
      });
    expect(await end("after")).toMatchObject({ status: 403, json: { message: "Not from here." }, cookies: [] });
    expect(told).toEqual([
      ["path", "GetCurrent"],
      ["after", "SignOut", "cookie"],
    ]);
    expect(await end("nothing")).toMatchObject({ status: 200 });
    expect(await end("nothing")).toMatchObject({ status: 401 });
  });

  it("refuses streams and what is said over a WebSocket before they begin", async () => {
    const { backstay, ada, get } = await withHooks((hooks) => {
      hooks.declare("afterAuth", "EventService/*", () => ({ status: 403, message: "Not today." }));
    });
    expect(await get("/v1/events:subscribe", ada.token)).toMatchObject({ status: 403, reason: REFUSED });
    const socket = await openSocket(backstay.url, { headers: bearer(ada.token) });
    expect(reasonOf(await socket.ask({ op: "subscribe" }))).toBe(REFUSED);
    expect(reasonOf(await socket.ask({ op: "publish", topic: "room/1", type: "a" }))).toBe(REFUSED);
  });

  it("refuses whom the server would let in, and lets nobody in whom the server refuses", async () => {
    const { get, ada } = await withHooks((hooks) => {
      hooks.declare("afterAuth", "AccountService/*", (_, { caller }) =>
        caller ? { status: 403, message: "Not today." } : undefined,
      );
    });
    expect(await get("/v1/accounts/me", ada.token)).toMatchObject({ status: 403, reason: REFUSED });
    expect(await get("/v1/accounts/me")).toMatchObject({ status: 401, reason: "TOKEN_MISSING" });
    expect(await get("/account/get", ada.token)).toMatchObject({ status: 403, json: { message: "Not today." } });
  });

  it("is not asked whether there are too many calls", async () => {
    const told: unknown[] = [];
    const { get, ada } = await withHooks(
      (hooks) => hooks.declare("afterAuth", "/v1/accounts/me", (_, { error }) => void told.push(error)),
      { "limits.rate": "on", "limits.reads_per_minute": "1" },
    );
    const statuses = new Set<number>();
    for (let calls = 0; calls < 50; calls++) statuses.add((await get("/v1/accounts/me", ada.token)).status);
    expect(statuses).toEqual(new Set([200, 429]));
    expect(new Set(told)).toEqual(new Set([undefined]));
  });
});

describe("afterCall", () => {
  it("puts other values into the fields of an answer, at every door", async () => {
    const { backstay, ada, get } = await withHooks((hooks) => {
      hooks.declare("afterCall", "AccountService/GetAccount", (_, { response, caller }) => {
        const { account } = response as { account: object };
        return { response: { account: { ...account, alias: `seen by ${caller?.accountId}` } } };
      });
      hooks.declare("afterCall", "AccountService/GetAccount", () => ({ response: { account: null } }));
    });
    for (const door of DOORS) {
      const { code, text } = await door.call(backstay.url, attempt(getAccount, { id: "me" }, { token: ada.token }));
      expect(code, door.name).toBe("");
      // One of the clients shows no answers.
      if (text === "") continue;
      expect(text, door.name).toContain(`seen by ${ada.id}`);
      expect(text, door.name).toContain(ada.login);
    }
    expect((await get("/v1/accounts/nobody", ada.token)).status).toBe(404);
  });

  it("changes what the predecessor's paths answer, and does not see what they read for themselves", async () => {
    const told: unknown[] = [];
    const { backstay, ada, get } = await withHooks((hooks) => {
      hooks.declare("afterCall", "MessageService/ListMessages", (_, { response }) => {
        const { messages = [] } = response as { messages?: { text: string }[] };
        told.push(messages.map(({ text }) => text));
        return { response: { messages: messages.map((one) => ({ ...one, text: one.text.toUpperCase() })) } };
      });
    });
    const ben = await backstay.signUp();
    for (const text of ["one", "two", "three"]) await ben.client.messages.sendMessage({ recipientId: ada.id, text });
    const { json } = await get("/message/get?_start=1&_count=1", ada.token);
    expect(json.data.map(({ msg }: { msg: string }) => msg)).toEqual(["TWO"]);
    expect(told).toEqual([["two"]]);
  });
});

describe("a redirect", () => {
  let backstay: TestBackstay;
  let ada: Person;
  beforeAll(async () => {
    const hooks = declaredHooks();
    hooks.declare("beforeAuth", "/old/*", () => ({ redirect: "https://example.com/new?a=b", status: 301 }));
    const toLogin = (_: HookRequest, { caller }: AuthOutcome) =>
      caller ? undefined : { redirect: "/public/login.html" };
    hooks.declare("afterAuth", /^\/$|\.html$|^\/logout$|^\/ws$/, (about, outcome) =>
      about.path.startsWith("/public") ? undefined : toLogin(about, outcome),
    );
    hooks.declare("afterAuth", "AccountService/*Get*", toLogin);
    backstay = await startBackstay({}, { overrides: { hooks } });
    ada = await backstay.signUp();
  });
  afterAll(() => backstay?.stop());

  const get = (path: string, token?: string) => request(backstay.url + path, { headers: bearer(token) });
  const LOGIN = { status: 302, headers: { location: "/public/login.html" } };

  it("takes whoever is not signed in from pages, REST and the predecessor's paths to another", async () => {
    expect(await get("/")).toMatchObject(LOGIN);
    expect(await get("/app/index.html")).toMatchObject(LOGIN);
    expect(await get("/v1/accounts/me")).toMatchObject({ ...LOGIN, reason: REFUSED });
    const compat = { status: 302, message: "Go to /public/login.html", url: "/public/login.html" };
    expect(await get("/account/get")).toMatchObject({ ...LOGIN, json: compat });
    expect(await get("/logout")).toMatchObject({ ...LOGIN, json: compat });
    expect((await get("/account/get")).headers).not.toHaveProperty("www-authenticate");
  });

  it("takes nobody else anywhere", async () => {
    expect(await get("/", ada.token)).toMatchObject({ status: 200 });
    expect(await get("/app/index.html", ada.token)).toMatchObject({ status: 404, reason: "UNKNOWN_PATH" });
    expect(await get("/public/login.html")).toMatchObject({ status: 404 });
    expect(await get("/account/get", ada.token)).toMatchObject({ status: 200 });
    expect(await get("/v1/ping")).toMatchObject({ status: 200 });
    for (const path of ["/healthz", "/readyz", "/openapi.json"]) expect((await get(path)).status, path).toBe(200);
  });

  it("has the status that the app gives it, and needs no page to be there", async () => {
    const moved = { status: 301, headers: { location: "https://example.com/new?a=b" } };
    expect(await get("/old/page")).toMatchObject(moved);
    expect(await request(`${backstay.url}/old/page`, { method: "HEAD" })).toMatchObject(moved);
    expect(await request(`${backstay.url}/old/page`, { body: "a=b" })).toMatchObject({ status: 404 });
  });

  it("is an error with the place as metadata where nobody can be sent elsewhere", async () => {
    for (const door of DOORS.filter(({ name }) => name !== "REST")) {
      const { code, reason, text } = await door.call(backstay.url, attempt(getAccount, { id: "me" }));
      expect({ code, reason }, door.name).toEqual({ code: "unauthenticated", reason: REFUSED });
      expect(text, door.name).toContain("/public/login.html");
    }
  });

  it("keeps a WebSocket closed, and is told by a frame", async () => {
    await expect(openSocket(backstay.url)).rejects.toThrow("the socket was refused with 302");
    const socket = await openSocket(backstay.url, { headers: bearer(ada.token) });
    expect(await socket.ask("/old/page")).toMatchObject({ op: "/old/page", status: 301 });
  });
});

describe("a hook that does what it may not", () => {
  const FAULTS: [what: string, declare: (hooks: DeclaredHooks) => void, named: string][] = [
    [
      "throws",
      (hooks) =>
        hooks.declare("beforeAuth", "/v1/info", () => {
          throw new Error("a bug of the app");
        }),
      "beforeAuth /v1/info",
    ],
    [
      "rejects",
      (hooks) =>
        hooks.declare("afterAuth", "/v1/info", async () => {
          throw new Error("a bug of the app");
        }),
      "afterAuth /v1/info",
    ],
    [
      "throws nothing",
      (hooks) => hooks.declare("afterAuth", "/v1/info", () => Promise.reject(undefined)),
      "afterAuth /v1/info",
    ],
    [
      "answers what it may not",
      (hooks) => hooks.declare("beforeAuth", "/v1/*", () => ({ status: 200 })),
      "beforeAuth /v1/*",
    ],
    [
      "allows when it is too late",
      (hooks) => hooks.declare("afterAuth", /info/, () => ({ allow: true })),
      "afterAuth /info/",
    ],
    [
      "answers fields that there are not",
      (hooks) => hooks.declare("afterCall", "SystemService/*", () => ({ response: { nmae: "a" } })),
      "afterCall SystemService/*",
    ],
    [
      "answers values of another type",
      (hooks) => hooks.declare("afterCall", "SystemService/*", () => ({ response: { name: { a: 1 } } })),
      "afterCall SystemService/*",
    ],
    [
      "answers what is no JSON",
      (hooks) => hooks.declare("afterCall", "SystemService/*", () => ({ response: { name: 1n } })),
      "afterCall SystemService/*",
    ],
  ];
  it.each(FAULTS)(
    "%s: the call is INTERNAL, the log names the hook, and the server goes on",
    async (_, declare, named) => {
      const { backstay, get } = await withHooks(declare);
      const { status, reason, json } = await get("/v1/info");
      expect({ status, reason }).toEqual({ status: 500, reason: "INTERNAL" });
      expect(JSON.stringify(json)).not.toMatch(/a bug of|hook/);
      expect(backstay.log()).toContain(`the hook ${named} `);
      expect((await get("/v1/ping")).status).toBe(200);
    },
  );

  it("never answers: the call is refused as unavailable, and the log names the hook", async () => {
    const hooks = declaredHooks();
    hooks.declare("afterAuth", "*/*", () => new Promise(() => {}));
    const told: object[] = [];
    const log = { warn: (facts: object) => void told.push(facts) } as Partial<Log> as Log;
    const runner = createHookRunner({ hooks: hooks.all()!, log, signatureName: "bk-signature", patience: 20 });
    const method = { name: "a.v1.AService/A", access: Access.PUBLIC } as Method;
    const admitted = runner.admit(new Call(method, "rest", { headers: {} }), () => {});
    await expect(admitted).rejects.toMatchObject({ reason: REFUSED, kind: "unavailable" });
    expect(told).toEqual([{ hook: "afterAuth */*", ms: 20 }]);
  });
});

it("Ping and health are asked about by no hook", async () => {
  const asked: string[] = [];
  const { backstay, get } = await withHooks((hooks) => {
    hooks.declare("beforeAuth", /^/, ({ path }) => void asked.push(path));
    hooks.declare("afterAuth", /^/, ({ path }) => void asked.push(path));
    hooks.declare("afterCall", /^/, ({ path }) => void asked.push(path));
  });
  asked.length = 0;
  for (const path of ["/v1/ping", "/ping", "/healthz", "/readyz"]) expect((await get(path)).status).toBe(200);
  const headers = { "content-type": "application/json" };
  await request(`${backstay.url}/grpc.health.v1.Health/Check`, { headers, body: "{}" });
  expect(asked).toEqual([]);
  await get("/v1/info");
  expect(asked).toEqual(["/v1/info", "/v1/info", "/v1/info"]);
});

it("a hook for an RPC that there is not stops the start", async () => {
  const hooks = declaredHooks();
  hooks.declare("afterCall", "MessageService/SendMesage", () => {});
  await expect(startBackstay({}, { overrides: { hooks } })).rejects.toThrow(
    "app.afterCall MessageService/SendMesage: no RPC is called MessageService/SendMesage; did you mean MessageService/SendMessage?",
  );
});
