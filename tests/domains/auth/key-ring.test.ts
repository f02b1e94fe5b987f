import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { startNats } from "../../support/nats.js";
import { sign, type ToSign } from "../../support/sign.js";
import { runJob } from "../run-job.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, eventually, openDatabase, operator, operatorToken } from "../support.js";

// A server, and one that was started on its data with a new instance key, which accepts the old one besides.

const CREATE = "accounts.v1.AccountService/CreateAccount";
const UPDATE = "accounts.v1.AccountService/UpdateAccount";
const SIGN_IN = "auth.v1.AuthService/SignIn";
const REFRESH = "auth.v1.AuthService/Refresh";
const CURRENT = "auth.v1.AuthService/GetCurrent";
const POLL = "events.v1.EventService/Poll";

/** No cron: when everything is sealed anew is for the tests to say, and who does it. */
const SERVES = "api,relay";

const draw = () => randomBytes(32).toString("hex");
const [oldSecret, newSecret] = [draw(), draw()];

let before: TestBackstay;
let after: TestBackstay;
let ada: Person;
beforeAll(async () => {
  before = await startBackstay({ secret: oldSecret, roles: SERVES });
  after = await startBackstay({
    "database.url": before.databaseUrl,
    secret: newSecret,
    secret_previous: oldSecret,
    roles: `${SERVES},jobs`,
    "events.poll_interval": "50ms",
  });
  ada = await before.signUp();
});
afterAll(async () => {
  await after?.stop();
  await before?.stop();
});

const signInTo = async (on: TestBackstay) => {
  const { login, secret } = ada;
  const { tokens } = await curl<{ tokens: { refreshToken: string } }>(on, SIGN_IN, { login, secret });
  return tokens.refreshToken;
};
const refresh = async (on: TestBackstay, refreshToken: string) => {
  const { tokens } = await curl<{ tokens: { refreshToken: string; accessToken: string } }>(on, REFRESH, {
    refreshToken,
  });
  return tokens;
};

describe("a refresh token that was exchanged before", () => {
  it("answers the same next one within the grace, and signs nobody out", async () => {
    const parent = await signInTo(before);
    const child = await refresh(before, parent);
    const again = await refresh(after, parent);
    expect(again.refreshToken).toBe(child.refreshToken);
    expect(await curl(after, CURRENT, {}, again.accessToken)).toMatchObject({ account: { id: ada.id } });
    expect(await curl(after, CURRENT, {}, child.accessToken)).toMatchObject({ account: { id: ada.id } });
  });

  it("answers whatever followed, under whichever key each was made", async () => {
    const parent = await signInTo(before);
    const child = (await refresh(before, parent)).refreshToken;
    const grandchild = (await refresh(after, child)).refreshToken;
    expect((await refresh(after, parent)).refreshToken).toBe(grandchild);
    const next = (await refresh(after, grandchild)).refreshToken;
    expect(new Set([parent, child, grandchild, next]).size).toBe(4);
    expect((await refresh(after, parent)).refreshToken).toBe(next);
  });

  it("answers the living one however far that is, while some nodes have one key and some the other", async () => {
    const parent = await signInTo(before);
    let held = parent;
    for (let step = 0; step < 40; step++) held = (await refresh(step < 20 ? before : after, held)).refreshToken;
    expect((await refresh(after, parent)).refreshToken).toBe(held);
  });
});

describe("what was given out before", () => {
  it("is a page token that leads on", async () => {
    const path = "accounts.v1.AccountService/ListAccounts";
    await before.signUp();
    type Page = { accounts: { id: string }[]; nextPageToken: string };
    const first = await curl<Page>(before, path, { pageSize: 1 }, ada.token);
    const query = { pageSize: 1, pageToken: first.nextPageToken };
    const second = await curl<Page>(after, path, query, ada.token);
    expect(second).toEqual(await curl<Page>(before, path, query, ada.token));
    expect(second.accounts[0]!.id).not.toBe(first.accounts[0]!.id);
  });

  it("is a cursor that a stream resumes from", async () => {
    const { cursor } = await standingStream(before, ada.token);
    await curl(before, UPDATE, { account: { phone: "1" }, updateMask: "phone" }, ada.token);
    const { events } = await curl<{ events: { type: string }[] }>(after, POLL, { afterCursor: cursor }, ada.token);
    expect(events.map(({ type }) => type)).toEqual(["account.update"]);
  });

  it("is an idempotency key, which makes nothing a second time and fits no other request", async () => {
    const message = { recipientId: (await before.signUp()).id, text: "once" };
    const send = (on: TestBackstay, body: object) =>
      connectJson(on.url, "messages.v1.MessageService/SendMessage", body, {
        ...bearer(ada.token),
        "idempotency-key": "one",
      });
    const sent = await send(before, message);
    expect(sent.status).toBe(200);
    expect((await send(after, message)).json.message.id).toBe(sent.json.message.id);
    expect((await send(after, { ...message, text: "other" })).reason).toBe("IDEMPOTENCY_MISMATCH");

    const job = { name: "backstay.auth.prune", runAt: "2100-01-01T00:00:00Z" };
    const submit = (on: TestBackstay, body: object) =>
      connectJson(on.url, "jobs.v1.JobService/SubmitJob", body, {
        ...bearer(operatorToken(on)),
        "idempotency-key": "one",
      });
    const submitted = await submit(before, job);
    expect(submitted.status).toBe(200);
    expect((await submit(after, job)).json).toEqual(submitted.json);
    expect((await submit(after, { ...job, priority: 1 })).reason).toBe("IDEMPOTENCY_MISMATCH");
  });
});

describe("an account that signs", () => {
  const signed = (
    on: TestBackstay,
    path: string,
    how: Partial<ToSign> & { login: string; secret: string },
    body = {},
  ) => {
    const contentType = "application/json";
    const url = `${on.url}/backstay.${path}`;
    const text = JSON.stringify(body);
    const header = sign({ method: "POST", contentType, body: text, ...how, url });
    return connectJson(on.url, path, body, { "bk-signature": header });
  };
  const makeSigner = async (login: string) => {
    const secret = `secret of ${login}`;
    const { account } = await curl<{ account: { id: string } }>(before, CREATE, {
      login,
      secret,
      name: "S",
      signatures: true,
    });
    return { id: account.id, login, secret };
  };

  it("goes on signing and keeps its streams while its secret is sealed anew, and is still taken once for each change", async () => {
    const { id, login, secret } = await makeSigner("ring-signer");
    const contentType = "application/connect+json";
    const url = `${after.url}/backstay.events.v1.EventService/Subscribe`;
    const header = sign({ login, secret, method: "POST", url, contentType });
    const stream = await openStream(after, undefined, {}, { "bk-signature": header });
    expect(await stream.next()).toHaveProperty("ready");
    const change = { account: { phone: "2" }, updateMask: "phone" };
    const expires = Date.now() + 60_000;
    expect((await signed(before, UPDATE, { login, secret, expires }, change)).status).toBe(200);
    expect((await stream.event()).type).toBe("account.update");

    const sql = openDatabase(after);
    const sealedOf = async () => {
      const [row] = await sql`select secret_sealed from backstay.identities where account_id = ${id}`;
      return (row!.secret_sealed as Buffer).toString("hex");
    };
    const sealed = await sealedOf();
    await runJob(after, "backstay.auth.reseal");
    expect(await sealedOf()).not.toBe(sealed);

    expect((await signed(after, UPDATE, { login, secret, expires }, change)).reason).toBe("SIGNATURE_REPLAYED");
    expect((await signed(after, CURRENT, { login, secret })).json.account.id).toBe(id);
    const another = { account: { phone: "3" }, updateMask: "phone" };
    expect((await signed(after, UPDATE, { login, secret, expires: expires + 1 }, another)).status).toBe(200);
    expect((await stream.event()).type).toBe("account.update");
  });
});

describe("a server with another key", () => {
  it("does not start on the data; with the old one alone it does until everything is sealed under the new one", async () => {
    const own = await startBackstay({ secret: oldSecret, roles: SERVES });
    const url = own.databaseUrl;
    const restart = (secret: string, previous = "", roles = SERVES) =>
      startBackstay({ "database.url": url, secret, secret_previous: previous, roles });
    await expect(restart(draw())).rejects.toThrow("another instance key");
    await expect(restart(draw(), draw())).rejects.toThrow("another instance key");
    await expect(restart(newSecret)).rejects.toThrow("another instance key");
    const turned = await restart(newSecret, oldSecret);
    const straggler = await restart(oldSecret);
    await straggler.stop();
    // Whoever runs jobs begins with that one as soon as it is up.
    const sealing = await restart(newSecret, oldSecret, `${SERVES},jobs`);
    await eventually(10_000, "everything is under the new key", async () => {
      const { previousMayGo } = await operator(turned).system.getKeyStatus({});
      return previousMayGo ? true : undefined;
    });
    await Promise.all([turned.stop(), sealing.stop()]);
    await expect(restart(oldSecret)).rejects.toThrow("another instance key");
    const alone = await restart(newSecret);
    await alone.stop();
    await own.stop();
  });
});

it("nodes in the middle of a change hear each other by NATS, whichever of the keys is current with each", async () => {
  const nats = await startNats();
  const one = await startBackstay({
    "nats.url": nats.url,
    secret: oldSecret,
    secret_previous: newSecret,
    roles: SERVES,
  });
  const two = await startBackstay({
    "nats.url": nats.url,
    "database.url": one.databaseUrl,
    secret: newSecret,
    secret_previous: oldSecret,
    roles: `${SERVES},jobs`,
  });
  // From here on the database has the new key's name; a node that starts now is still called as the others are.
  await runJob(two, "backstay.auth.reseal");
  await eventually(5_000, "the new key's name in the database", async () => {
    const [row] = await openDatabase(two)`select key_fingerprint <> name as turned from backstay.installation`;
    return row?.turned ? true : undefined;
  });
  const three = await startBackstay({ "nats.url": nats.url, "database.url": one.databaseUrl, secret: newSecret });
  const ben = await one.signUp();
  const streams = [await standingStream(two, ben.token), await standingStream(three, ben.token)];
  // What is of the moment only goes by the bus, and is in no log.
  await curl(one, "events.v1.EventService/Publish", { type: "chat.typing", ephemeral: true }, ben.token);
  for (const stream of streams) expect((await stream.event(5_000)).type).toBe("chat.typing");
  await Promise.all([three.stop(), two.stop()]);
  await one.stop();
  await nats.stop();
});
