import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply, request } from "../../support/http-request.js";
import { checksumOf, sign, type ToSign } from "../../support/sign.js";
import { bearer, curl, curlRefused, eventually, openDatabase } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const CREATE = "accounts.v1.AccountService/CreateAccount";
const UPDATE = "accounts.v1.AccountService/UpdateAccount";
const CURRENT = "auth.v1.AuthService/GetCurrent";
const JSON_TYPE = "application/json";

let backstay: TestBackstay;
let signer: { id: string; login: string; secret: string };
let person: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  signer = await makeSigner(backstay);
  person = await backstay.signUp();
});
afterAll(() => backstay.stop());

let made = 0;

/** An account that can sign. */
async function makeSigner(on: TestBackstay, extra: object = { signatures: true }) {
  const login = `signer-${made++}@example.com`;
  const secret = `secret of ${login}`;
  const { account } = await curl<{ account: { id: string } }>(on, CREATE, { login, secret, name: "Signer", ...extra });
  return { id: account.id, login, secret };
}

/** Sends a request with its signature in the header. */
function signed(path: string, how: Partial<ToSign> = {}, on = backstay): Promise<Reply> {
  const url = `${on.url}${path}`;
  const { method = "GET", contentType, body } = how;
  const signature = sign({ login: signer.login, secret: signer.secret, ...how, url });
  const headers = { "bk-signature": signature, ...(contentType && { "content-type": contentType }) };
  return request(url, { method, headers, ...(body !== undefined && { body }) });
}

/** How gRPC answers a signed call with an empty message. */
async function grpcStatus(path: string, how: Partial<ToSign>): Promise<unknown> {
  const contentType = "application/grpc+proto";
  const url = `${backstay.url}${path}`;
  const session = connect(backstay.url);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": contentType,
    te: "trailers",
    "bk-signature": sign({ ...signer, ...how, method: "POST", url, contentType }),
  });
  stream.end(Buffer.alloc(5));
  stream.resume();
  const status = await new Promise((resolve) => {
    for (const event of ["response", "trailers"]) {
      stream.on(event, (headers) => headers["grpc-status"] !== undefined && resolve(headers["grpc-status"]));
    }
  });
  session.close();
  return status;
}

/** A signed change of one's own phone by Connect. */
const update = (phone: string, how: Partial<ToSign> = {}, on = backstay) => {
  const body = JSON.stringify({ account: { phone }, updateMask: "phone" });
  return signed(`/backstay.${UPDATE}`, { method: "POST", contentType: JSON_TYPE, body, ...how }, on);
};

describe("a signed request", () => {
  it("is known by its header, at REST", async () => {
    const { json } = await signed("/v1/auth/current");
    expect(json).toMatchObject({ account: { id: signer.id }, via: "signature" });
  });

  it("is known by the query parameter: a signed URL", async () => {
    const url = `${backstay.url}/v1/messages?pageSize=2&pageToken=`;
    const signature = encodeURIComponent(sign({ ...signer, url }));
    expect((await request(`${url}&bk-signature=${signature}`)).status).toBe(200);
    expect((await request(`${url.replace("?", `?bk-signature=${signature}&`)}`)).status).toBe(200);
    expect((await request(`${url}&since=x&bk-signature=${signature}`)).reason).toBe("INVALID_SIGNATURE");
  });

  it("is known by the query parameter also where a form encoded it", async () => {
    const url = `${backstay.url}/v1/auth/current`;
    const query = new URLSearchParams({ "bk-signature": sign({ ...signer, url, tag: "My App 2.1" }) });
    expect((await request(`${url}?${query}`)).status).toBe(200);
  });

  it("is known by Connect in JSON, with a checksum of its body", async () => {
    const body = JSON.stringify({ account: { phone: "49" }, updateMask: "phone" });
    const { json } = await update("49", { body, checksum: checksumOf(body) });
    expect(json.account.phone).toBe("49");
  });

  it("is known over HTTP/2, by the authority", async () => {
    const session = connect(backstay.url);
    const signature = sign({ ...signer, url: `${backstay.url}/v1/auth/current` });
    const stream = session.request({ ":path": "/v1/auth/current", "bk-signature": signature });
    const status = await new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
    session.close();
    expect(status).toBe(200);
  });

  it("is known by gRPC: what is signed is its POST, with a checksum of all that was sent", async () => {
    const path = `/backstay.${CURRENT}`;
    expect(await grpcStatus(path, {})).toBe("0");
    expect(await grpcStatus(path, { checksum: checksumOf("\0\0\0\0\0") })).toBe("0");
    expect(await grpcStatus(path, { checksum: checksumOf("other") })).toBe("3");
  });

  it("may not have a checksum of a streamed body, which nobody could check in time", async () => {
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    expect(await grpcStatus(path, { checksum: checksumOf("\0\0\0\0\0") })).toBe("3");
    expect(await grpcStatus(path, {})).toBe("0");
  });

  it("is known whatever case or Unicode form its login has, as long as that is what was signed", async () => {
    expect((await signed("/v1/auth/current", { login: signer.login.toUpperCase() })).status).toBe(200);
  });

  it("may be signed with a login and tag that are not Latin", async () => {
    const login = "ольга";
    const secret = "secret of ольга";
    await curl(backstay, CREATE, { login, secret, name: "О", signatures: true });
    const url = `${backstay.url}/v1/auth/current`;
    const raw = Buffer.from(sign({ login, secret, tag: "приложение", url })).toString("latin1");
    expect((await request(url, { headers: { "bk-signature": raw } })).status).toBe(200);
  });

  it("comes after a token and a session cookie", async () => {
    const { login, secret } = person;
    const signIn = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, cookie: true });
    const signature = {
      "bk-signature": sign({
        ...signer,
        method: "POST",
        url: `${backstay.url}/backstay.${CURRENT}`,
        contentType: JSON_TYPE,
      }),
    };
    const cookie = withCookie(givenCookie(signIn));
    expect(await knownBy(backstay.url, { ...signature, ...bearer(person.token) })).toBe(`${person.id} by token`);
    expect(await knownBy(backstay.url, { ...signature, ...cookie })).toBe(`${person.id} by cookie`);
    // A browser sends its cookie unasked: a dead one does not stand in the way.
    expect(await knownBy(backstay.url, { ...signature, ...withCookie("dead") })).toBe(`${signer.id} by signature`);
  });

  it("leaves nothing of itself in the log", async () => {
    const url = `${backstay.url}/v1/auth/current`;
    const signature = sign({ ...signer, url, expires: 1 });
    await request(url, { headers: { "bk-signature": signature } });
    await request(`${url}?bk-signature=${encodeURIComponent(signature)}`);
    const written = async () => backstay.log().match(/SIGNATURE_EXPIRED/g)?.[1];
    await eventually(10_000, "both refusals in the log", written);
    expect(backstay.log()).not.toContain(signature.split("|")[3]!.slice(0, 12));
  });

  it("has a header of another name where the setting says so", async () => {
    const renamed = await startBackstay({ "auth.signature_name": "x-sig", "auth.signatures": "all" });
    const other = await makeSigner(renamed, {});
    const url = `${renamed.url}/v1/auth/current`;
    expect((await request(url, { headers: { "x-sig": sign({ ...other, url }) } })).status).toBe(200);
    expect((await request(`${url}?x-sig=${encodeURIComponent(sign({ ...other, url }))}`)).status).toBe(200);
    expect((await request(url, { headers: { "bk-signature": sign({ ...other, url }) } })).reason).toBe("TOKEN_MISSING");
    await renamed.stop();
  });
});

describe("a signed form", () => {
  const FORM = "application/x-www-form-urlencoded";

  it("is signed with its body in place of the URL's parameters", async () => {
    // REST takes no form here, and says so only to whom it knows.
    const body = "text=hello&recipientId=1";
    const how = { method: "POST", contentType: FORM, body };
    expect((await signed("/v1/messages", how)).reason).not.toMatch(/SIGNATURE|TOKEN/);
    const tampered = await request(`${backstay.url}/v1/messages`, {
      headers: {
        "content-type": FORM,
        "bk-signature": sign({ ...signer, ...how, url: `${backstay.url}/v1/messages` }),
      },
      body: "text=goodbye&recipientId=1",
    });
    expect(tampered.reason).toBe("INVALID_SIGNATURE");
  });

  it("is refused with parameters in its URL, which nothing covers", async () => {
    const how = { method: "POST", contentType: FORM, body: "text=hello" };
    expect((await signed("/v1/messages?recipientId=1", how)).reason).toBe("INVALID_SIGNATURE");
  });
});

describe("a signature is refused", () => {
  const now = () => Date.now();

  it.each<[string, () => Partial<ToSign>, string]>([
    ["case 40: when its time is over", () => ({ expires: now() - 1_000 }), "SIGNATURE_EXPIRED"],
    ["when its time is in seconds", () => ({ expires: Math.floor(now() / 1000) + 60 }), "SIGNATURE_EXPIRED"],
    [
      "case 40: when it is valid for longer than ten minutes",
      () => ({ expires: now() + 11 * 60_000 }),
      "SIGNATURE_TOO_LONG",
    ],
    ["when it never ends", () => ({ expires: 0 }), "MALFORMED_SIGNATURE"],
    ["when its expiry is no number", () => ({ expires: "tomorrow" }), "MALFORMED_SIGNATURE"],
    ["when it was made with another secret", () => ({ secret: "another" }), "INVALID_SIGNATURE"],
    ["when nobody has its login", () => ({ login: "nobody@example.com" }), "INVALID_SIGNATURE"],
    ["when nobody can have its login", () => ({ login: "no\u200bbody" }), "INVALID_SIGNATURE"],
    ["when its account keeps no secret to sign with", () => person, "INVALID_SIGNATURE"],
    ["when it was made for another method", () => ({ method: "PUT" }), "INVALID_SIGNATURE"],
  ])("%s", async (_, how, reason) => {
    const url = `${backstay.url}/v1/auth/current`;
    const { login, secret, ...rest } = { ...signer, ...how() };
    const signature = Buffer.from(sign({ login, secret, ...rest, url })).toString("latin1");
    const reply = await request(url, { headers: { "bk-signature": signature } });
    expect([reply.status, reply.reason]).toEqual([401, reason]);
    expect(Date.parse(reply.headers.date!)).toBeGreaterThan(now() - 5_000);
  });

  it.each([
    ["text of another kind", "Bearer abc", "MALFORMED_SIGNATURE"],
    ["an empty header", "", "MALFORMED_SIGNATURE"],
    ["version 1", "1||ada|x|4102444800000||", "SIGNATURE_VERSION"],
    ["version 5", "5||ada|x|4102444800000||", "SIGNATURE_VERSION"],
  ])("when it is %s", async (_, text, reason) => {
    const reply = await request(`${backstay.url}/v1/auth/current`, { headers: { "bk-signature": text } });
    expect([reply.status, reply.reason]).toEqual([401, reason]);
  });

  it("in the same words, byte for byte, for a login that is unknown, cannot sign, or signed wrongly", async () => {
    const url = `${backstay.url}/v1/auth/current`;
    const answer = async (login: string) => {
      const signature = sign({ login, secret: "wrong", url, expires: now() + 60_000 });
      const { status, headers, json } = await request(url, {
        headers: { "bk-signature": signature, "x-request-id": "1" },
      });
      return { status, json, headers: { ...headers, date: "" } };
    };
    const wrong = await answer(signer.login);
    expect(await answer("nobody")).toEqual(wrong);
    expect(await answer(person.login)).toEqual(wrong);
  });

  it("case 41: when the body is not the one whose checksum was signed, whatever it is and on public methods too", async () => {
    const checksum = checksumOf("{}");
    expect((await update("1", { checksum })).reason).toBe("CHECKSUM_MISMATCH");
    const text = { method: "POST", contentType: "text/plain", body: "other", checksum };
    expect((await signed("/v1/messages", text)).reason).not.toBeUndefined();
    const ping = { method: "POST", contentType: JSON_TYPE, body: "{ }", checksum };
    const reply = await signed("/backstay.system.v1.SystemService/Ping", ping);
    expect([reply.status, reply.reason]).toEqual([400, "CHECKSUM_MISMATCH"]);
  });

  it("and is as none on a public method", async () => {
    for (const how of [{ secret: "wrong" }, { expires: 1 }, { login: "nobody" }]) {
      expect((await signed("/v1/ping", how)).status).toBe(200);
    }
    const headers = { "bk-signature": "nonsense" };
    expect((await request(`${backstay.url}/v1/ping`, { headers })).status).toBe(200);
  });

  it("after thirty guesses in a minute from one address, whosever the logins are", async () => {
    const strict = await startBackstay({ "limits.rate": "on", "auth.signatures": "all" });
    const other = await makeSigner(strict, {});
    const reasons: unknown[] = [];
    for (let n = 0; n < 33; n++) {
      reasons.push(
        (await signed("/v1/auth/current", { login: `${other.login} ${n}`, secret: "a guess" }, strict)).reason,
      );
    }
    expect(reasons.slice(0, 30).every((reason) => reason === "INVALID_SIGNATURE")).toBe(true);
    expect(reasons.at(-1)).toBe("RATE_LIMITED");
    await strict.stop();
  });
});

describe("a signed change", () => {
  it("case 39: is made once: the same signature is refused the second time", async () => {
    const expires = Date.now() + 60_000;
    expect((await update("1", { expires })).status).toBe(200);
    const again = await update("1", { expires });
    expect([again.status, again.reason]).toEqual([401, "SIGNATURE_REPLAYED"]);
    expect((await update("1", { expires: expires + 1 })).status).toBe(200);
  });

  it("is made once on public methods too", async () => {
    const body = JSON.stringify({ login: `made ${Date.now()}`, secret: "long enough", name: "M" });
    const how = { method: "POST", contentType: JSON_TYPE, body, expires: Date.now() + 60_000 };
    expect((await signed(`/backstay.${CREATE}`, how)).status).toBe(200);
    expect((await signed(`/backstay.${CREATE}`, how)).reason).toBe("SIGNATURE_REPLAYED");
  });

  it("is made once of many that come together", async () => {
    const expires = Date.now() + 60_000;
    const answers = await Promise.all(Array.from({ length: 10 }, () => update("2", { expires })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ reason }) => reason === "SIGNATURE_REPLAYED")).toHaveLength(9);
  });

  it("case 39: is not made again by a server that was started anew: what was used stands in a table until it expires", async () => {
    const expires = Date.now() + 60_000;
    // The signed host has no port, so that the same request fits the server at its next one.
    expect((await update("3", { expires })).status).toBe(200);
    const sql = openDatabase(backstay);
    const [use] = await sql`select expires_at from backstay.signature_uses order by expires_at desc limit 1`;
    expect(use!.expires_at.getTime()).toBeGreaterThan(expires);
    const second = await startBackstay({
      "database.url": backstay.databaseUrl,
      secret: readFileSync(`${backstay.home}/etc/secret`, "utf8").trim(),
    });
    expect((await update("3", { expires }, second)).reason).toBe("SIGNATURE_REPLAYED");
    await second.stop();
  });

  it("is not used up by a read, which may be repeated", async () => {
    const expires = Date.now() + 60_000;
    for (let n = 0; n < 3; n++) expect((await signed("/v1/auth/current", { expires })).status).toBe(200);
  });
});

describe("the secret that signatures need", () => {
  const sealedOf = async (on: TestBackstay, id: string) => {
    const sql = openDatabase(on);
    const [row] = await sql`select secret_sealed from backstay.identities where account_id = ${id}`;
    return row!.secret_sealed as Buffer | null;
  };

  it("is kept sealed where the account asked for it, and does not open for another account", async () => {
    const sealed = (await sealedOf(backstay, signer.id))!;
    expect(sealed[0]).toBe(2);
    expect(sealed.toString("latin1")).not.toContain(signer.secret);
    expect(await sealedOf(backstay, person.id)).toBeNull();
    const sql = openDatabase(backstay);
    await sql`update backstay.identities set secret_sealed = ${sealed} where account_id = ${person.id}`;
    expect((await signed("/v1/auth/current", { login: person.login })).reason).toBe("INVALID_SIGNATURE");
    await sql`update backstay.identities set secret_sealed = null where account_id = ${person.id}`;
  });

  it("is kept of accounts that ask, not of others, and goes on being kept, by default", async () => {
    const { login, secret, token } = await backstay.signUp();
    expect((await signed("/v1/auth/current", { login, secret })).reason).toBe("INVALID_SIGNATURE");
    const change = (body: object) => curl(backstay, "auth.v1.AuthService/ChangeSecret", body, token);
    await change({ old: secret, new: "second secret", signatures: true });
    expect((await signed("/v1/auth/current", { login, secret: "second secret" })).status).toBe(200);
    await change({ old: "second secret", new: "third secret" });
    expect((await signed("/v1/auth/current", { login, secret: "third secret" })).status).toBe(200);
  });

  it("is kept of every account where auth.signatures is all", async () => {
    const all = await startBackstay({ "auth.signatures": "all" });
    const other = await makeSigner(all, {});
    expect((await signed("/v1/auth/current", other, all)).status).toBe(200);
    await all.stop();
  });

  it("is kept of none where auth.signatures is off, and no signature is taken there", async () => {
    const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
    const off = await startBackstay({ "auth.signatures": "off", "database.url": backstay.databaseUrl, secret });
    expect((await signed("/v1/auth/current", {}, off)).reason).toBe("INVALID_SIGNATURE");
    const refusal = { code: "failed_precondition", reason: "SIGNATURES_OFF", fields: ["signatures"] };
    const account = { login: "off", secret: "long enough", name: "O", signatures: true };
    expect(await curlRefused(off, CREATE, account)).toEqual(refusal);
    const other = await makeSigner(backstay);
    const { login } = other;
    const { tokens } = await curl<{ tokens: { accessToken: string } }>(off, "auth.v1.AuthService/SignIn", {
      login,
      secret: other.secret,
    });
    const change = { old: other.secret, new: "another secret" };
    const path = "auth.v1.AuthService/ChangeSecret";
    expect(await curlRefused(off, path, { ...change, signatures: true }, tokens.accessToken)).toEqual(refusal);
    await curl(off, path, change, tokens.accessToken);
    expect(await sealedOf(backstay, other.id)).toBeNull();
    await off.stop();
  });
});
