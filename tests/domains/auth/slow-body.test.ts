import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply, request } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { openStream } from "../stream.js";
import { bearer, curl, openDatabase } from "../support.js";
import { makeKey } from "./api-key-house.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";
import { openSlowly } from "./slow-body.js";

const CHANGE = "/backstay.auth.v1.AuthService/ChangeSecret";
const START = "/backstay.auth.v1.AuthService/StartSession";
const POLL = "/backstay.events.v1.EventService/Poll";
const UPDATE = "/backstay.accounts.v1.AccountService/UpdateAccount";
const REVOKED = { code: "unauthenticated", reason: "TOKEN_REVOKED", fields: [] };
const JSON_TYPE = "application/json";
const FRESH = "a new secret of the owner";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({
    "auth.signatures": "all",
    "events.heartbeat": "200ms",
    "events.poll_timeout": "2s",
  });
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const ownerChanges = () =>
  curl(backstay, "auth.v1.AuthService/ChangeSecret", { old: ada.secret, new: FRESH }, ada.token);

let last = 0;

/** The headers of a call that Ada's secret signed. */
function signed(path: string, how: { method?: string; contentType?: string } = {}): Record<string, string> {
  const { method = "POST", contentType = JSON_TYPE } = how;
  const { login, secret } = ada;
  last = Math.max(last + 1, Date.now() + 60_000);
  const signature = sign({ login, secret, method, url: backstay.url + path, contentType, expires: last });
  return { "bk-signature": signature, "content-type": contentType };
}

describe("a signed call whose body is still on its way when the secret is changed", () => {
  const slowly = async (path: string, body: object, after = 0): Promise<Reply> => {
    const slow = await openSlowly(backstay.url + path, { headers: signed(path), body: JSON.stringify(body) });
    await ownerChanges();
    await setTimeout(after);
    return slow.finish();
  };

  it.each([
    ["ChangeSecret", CHANGE, { new: "a secret of the thief" }],
    ["/account/put/secret", "/account/put/secret", { secret: "a secret of the thief" }],
  ])("does not change it again: %s", async (_, path, body) => {
    expect((await slowly(path, body)).status).toBe(401);
    const { login } = ada;
    const signIn = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret: FRESH });
    expect(signIn.status).toBe(200);
  });

  it.each([
    ["StartSession", START, {}],
    ["/auth with _session=1", "/auth", { _session: "1" }],
  ])("begins no session: %s", async (_, path, body) => {
    const reply = await slowly(path, body);
    expect([reply.status, reply.cookies]).toEqual([401, []]);
  });

  it.each([
    ["Poll", POLL],
    ["/account/subscribe", "/account/subscribe"],
  ])("hears of nothing: %s", async (_, path) => {
    // By then the news of the change is over.
    expect((await slowly(path, {}, 300)).status).toBe(401);
  });

  it("changes nothing", async () => {
    expect((await slowly(UPDATE, { account: { phone: "1" }, updateMask: "phone" })).reason).toBe("INVALID_SIGNATURE");
  });
});

describe("a signed call that stands in line while the secret is changed", () => {
  it("begins no session: the cookie is made only beside the secret that signed for it", async () => {
    const sql = openDatabase(backstay);
    let answer: Promise<Reply> | undefined;
    await sql.begin(async (tx) => {
      await tx`update backstay.identities set secret_phc = 'another' where account_id = ${ada.id}`;
      answer = connectJson(backstay.url, START.slice("/backstay.".length), {}, signed(START));
      // It is proved by the secret that stands, and then waits for the row.
      await setTimeout(300);
    });
    const reply = await answer!;
    expect([reply.status, reply.reason, reply.cookies]).toEqual([401, "INVALID_SIGNATURE", []]);
  });

  it("leaves no living cookie when the two cross", async () => {
    for (let round = 0; round < 5; round++) {
      ada = await backstay.signUp();
      const crossing = [1, 2, 3].map(() => connectJson(backstay.url, START.slice(10), {}, signed(START)));
      const changed = ownerChanges();
      const replies = await Promise.all(crossing);
      await changed;
      for (const reply of replies) {
        if (reply.status === 200)
          expect(await knownBy(backstay.url, withCookie(givenCookie(reply)))).toBe("INVALID_TOKEN");
      }
    }
  });

  it("changes no secret that took the place of the one it was proved by", async () => {
    const sql = openDatabase(backstay);
    let answer: Promise<Reply> | undefined;
    await sql.begin(async (tx) => {
      // Its signature is compared, and then waits to be noted as used.
      await tx`lock table backstay.signature_uses in exclusive mode`;
      answer = connectJson(backstay.url, CHANGE.slice(10), { new: "a secret of the thief" }, signed(CHANGE));
      await setTimeout(300);
      await tx`update backstay.identities set secret_phc = 'another' where account_id = ${ada.id}`;
    });
    expect((await answer!).reason).toBe("INVALID_SIGNATURE");
  });

  it("is one that changes the secret, of several that cross", async () => {
    const crossing = ["first", "second", "third"].map((which) =>
      connectJson(backstay.url, CHANGE.slice(10), { new: `${which} of the thief` }, signed(CHANGE)),
    );
    const replies = await Promise.all(crossing);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, reason } of replies) {
      if (status !== 200) expect(["INVALID_SIGNATURE", "CONFLICT"]).toContain(reason);
    }
  });
});

describe("what a signature opened", () => {
  /** Another secret, of which nobody is told: what a node sees that missed the news. */
  const changeUnheard = () =>
    openDatabase(backstay)`update backstay.identities set secret_phc = 'another' where account_id = ${ada.id}`;

  it("ends when the secret is another, also where nobody heard of the change", async () => {
    const headers = signed("/backstay.events.v1.EventService/Subscribe", { contentType: "application/connect+json" });
    const stream = await openStream(backstay, undefined, {}, headers);
    expect(await stream.next()).toHaveProperty("ready");
    const poll = connectJson(backstay.url, POLL.slice(10), {}, signed(POLL));
    await setTimeout(100);
    await changeUnheard();
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
    expect((await poll).reason).toBe("TOKEN_REVOKED");
  });

  it("ends at once when the secret was changed just before it was opened", async () => {
    // The server has just seen who signs, and remembers it for a second.
    const current = "/v1/auth/current";
    expect((await request(backstay.url + current, { headers: signed(current, { method: "GET" }) })).status).toBe(200);
    await changeUnheard();
    const polled = await connectJson(backstay.url, POLL.slice(10), {}, signed(POLL));
    expect(polled.reason).toBe("TOKEN_REVOKED");
  });
});

describe("a call whose token is revoked while its body is on its way", () => {
  const update = JSON.stringify({ account: { phone: "1" }, updateMask: "phone" });
  const DOORS: [string, { path: string; method?: string; body: string; type?: string }][] = [
    ["Connect", { path: UPDATE, body: update }],
    ["Connect in a rarer form", { path: UPDATE, body: update, type: "application/json; charset=UTF-8" }],
    ["REST", { path: "/v1/accounts/me?updateMask=phone", method: "PATCH", body: '{"phone":"1"}' }],
    ["a path of the predecessor's", { path: "/account/update", body: '{"phone":"1"}' }],
    ["a path of the predecessor's that may begin a session", { path: "/account/get", body: '{"_session":"1"}' }],
  ];
  const open = ({ path, method = "POST", body, type = JSON_TYPE }: (typeof DOORS)[0][1], who: Record<string, string>) =>
    openSlowly(backstay.url + path, { method, headers: { ...who, "content-type": type }, body });

  it("is refused by every door", async () => {
    const slow = await Promise.all(DOORS.map(([, call]) => open(call, bearer(ada.token))));
    await ada.client.auth.signOut();
    await setTimeout(1_000);
    const replies = await Promise.all(slow.map((one) => one.finish()));
    const seen = replies.map(({ status, cookies }, at) => [DOORS[at]![0], status, cookies]);
    expect(seen).toEqual(DOORS.map(([door]) => [door, 401, []]));
  });

  it("is refused when its session cookie is", async () => {
    const started = await connectJson(backstay.url, START.slice(10), {}, bearer(ada.token));
    const cookie = { ...withCookie(givenCookie(started)), "connect-protocol-version": "1" };
    const slow = await open(DOORS[0]![1], cookie);
    await connectJson(backstay.url, "auth.v1.AuthService/SignOut", {}, cookie);
    await setTimeout(1_000);
    expect((await slow.finish()).reason).toBe("INVALID_TOKEN");
  });

  it.each([
    ["a token", async () => ({ headers: bearer(ada.token), end: () => ada.client.auth.signOut() })],
    [
      "an API key",
      async () => {
        const { id, key } = await makeKey(backstay, ada.token);
        const revoke = () => curl(backstay, "auth.v1.AuthService/RevokeApiKey", { keyId: id }, ada.token);
        return { headers: bearer(key), end: revoke };
      },
    ],
  ])(
    "is refused a second later also at a node that heard of nothing, and remembered its caller: %s",
    async (_, make) => {
      const secret = readFileSync(join(backstay.home, "etc", "secret"), "utf8").trim();
      const deaf = await startBackstay({ "database.url": backstay.databaseUrl, secret });
      onTestFinished(() => deaf.stop());
      const { headers, end } = await make();
      expect((await connectJson(deaf.url, "auth.v1.AuthService/GetCurrent", {}, headers)).status).toBe(200);
      const revoked = end().then(() => performance.now());
      await setTimeout(500);
      const slow = await openSlowly(deaf.url + UPDATE, {
        headers: { "content-type": JSON_TYPE, ...headers },
        body: update,
      });
      // What was remembered is more than a second old by then, and the call that was admitted by it is not.
      await setTimeout((await revoked) + 1_050 - performance.now());
      expect((await slow.finish()).reason).toBe("INVALID_TOKEN");
    },
  );

  it("is as nobody's on a public method", async () => {
    const slow = await open({ path: "/backstay.system.v1.SystemService/Ping", body: "{}" }, bearer(ada.token));
    await ada.client.auth.signOut();
    await setTimeout(1_000);
    expect((await slow.finish()).status).toBe(200);
  });
});

describe("a call whose body is slow, and nothing else", () => {
  it.each([
    ["a token", () => bearer(ada.token)],
    ["a signature", () => signed(UPDATE)],
  ])("is made with %s that still stands", async (_, who) => {
    const body = JSON.stringify({ account: { phone: "7" }, updateMask: "phone" });
    const slow = await openSlowly(backstay.url + UPDATE, { headers: { "content-type": JSON_TYPE, ...who() }, body });
    await setTimeout(1_000);
    expect((await slow.finish()).json.account.phone).toBe("7");
  });

  it("counts once, although its caller is looked at twice", async () => {
    // Calls that are about secrets are counted by address, and thirty may come at once.
    const strict = await startBackstay({ "limits.rate": "on" });
    const { token } = await strict.signUp();
    const sent = { headers: { "content-type": JSON_TYPE, ...bearer(token) }, body: '{"old":"x","new":"long enough"}' };
    const slow = await Promise.all(Array.from({ length: 20 }, () => openSlowly(strict.url + CHANGE, sent)));
    await setTimeout(1_000);
    const reasons = (await Promise.all(slow.map((one) => one.finish()))).map(({ reason }) => reason);
    // Five secrets are compared; those after them wait for a count of their own.
    expect(new Set(reasons)).toEqual(new Set(["WRONG_SECRET", "TOO_MANY_TRIES"]));
    await strict.stop();
  });
});

it("a signature that cannot be right is refused before the body comes", async () => {
  const { login, secret } = ada;
  const url = backstay.url + UPDATE;
  const expired = sign({ login, secret, method: "POST", url, contentType: JSON_TYPE, expires: 1 });
  for (const signature of ["nonsense", "5||ada|x|4102444800000||", expired]) {
    const headers = { "content-type": JSON_TYPE, "bk-signature": signature };
    const reply = await (await openSlowly(url, { headers, body: "{}" })).answered;
    expect(reply.status).toBe(401);
  }
});
