import { AccountStatus, timestampDate } from "@backstay/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import {
  curl,
  curlRefused,
  eventually,
  openDatabase,
  operator,
  operatorToken,
  refused,
  testClock,
  upTo,
} from "../support.js";

const LIST = "auth.v1.AuthService/ListAuditEvents";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  // Codes and tokens are not in question here, so that time may jump.
  backstay = await startBackstay({}, { overrides: { clock } });
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

type Wanted = Parameters<ReturnType<typeof operator>["auth"]["listAuditEvents"]>[0];

/** What is listed, once everything that was recorded has its place. */
async function list(wanted: Wanted = {}) {
  const sql = openDatabase(backstay);
  await eventually(5_000, "every entry has its place", async () => {
    const [waiting] = await sql`select count(*)::int as count from backstay.audit_inbox`;
    return waiting?.count === 0 || undefined;
  });
  return operator(backstay).auth.listAuditEvents({ pageSize: 500, ...wanted });
}

const wrongSecret = (login: string) => refused(backstay.anonymous().auth.signIn({ login, secret: "wrong secret" }));

describe("the audit log", () => {
  it("tells when who did what to whom, from where, and by which call", async () => {
    const requestId = "the-call-in-question";
    const headers = { "x-request-id": requestId };
    const { deviceId } = await backstay.anonymous().auth.signIn({ login: ada.login, secret: ada.secret }, { headers });
    const { events } = await list({ type: "sign_in.ok", accountId: ada.id, descending: true });
    expect(timestampDate(events[0]!.time!)).toEqual(clock.now());
    expect(events[0]).toMatchObject({
      type: "sign_in.ok",
      actorKind: "anonymous",
      actorId: "",
      accountId: ada.id,
      address: "127.0.0.1",
      requestId,
      detail: { method: "secret", device: deviceId },
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it("numbers entries from 1 on without gaps, oldest first or newest first", async () => {
    await wrongSecret(ada.login);
    const { events } = await list();
    const sequences = events.map(({ sequence }) => Number(sequence));
    expect(sequences).toEqual(upTo(events.length));
    const newestFirst = await list({ descending: true });
    expect(newestFirst.events.map(({ sequence }) => Number(sequence))).toEqual(sequences.reverse());
  });

  it("keeps a failed sign-in to a login that nobody has, and not what was typed", async () => {
    await wrongSecret("typed my secret here by mistake");
    const { events } = await list({ type: "sign_in.failed", descending: true });
    expect(events[0]).toMatchObject({
      accountId: "",
      actorKind: "anonymous",
      detail: { reason: "INVALID_CREDENTIALS" },
    });
    const [row] = await openDatabase(backstay)`select count(*)::int as count from backstay.audit_log
      where audit_log::text like '%by mistake%'`;
    expect(row?.count).toBe(0);
  });

  it("goes on page by page, whatever is added meanwhile", async () => {
    for (const _ of upTo(4)) await wrongSecret(ben.login);
    const all = await list();
    const paged: bigint[] = [];
    let pageToken = "";
    do {
      const page = await operator(backstay).auth.listAuditEvents({ pageSize: 2, pageToken });
      paged.push(...page.events.map(({ sequence }) => sequence));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(paged).toEqual(all.events.map(({ sequence }) => sequence));
  });
});

describe("what is listed can be narrowed", () => {
  it("to a type, and to all types of a kind", async () => {
    await wrongSecret(ada.login);
    const typesOf = async (type: string) => new Set((await list({ type })).events.map((event) => event.type));
    expect(await typesOf("sign_in.failed")).toEqual(new Set(["sign_in.failed"]));
    expect(await typesOf("sign_in.*")).toEqual(new Set(["sign_in.ok", "sign_in.failed"]));
    expect(await typesOf("sign_in")).toEqual(new Set());
    expect(await typesOf("sign%.*")).toEqual(new Set());
  });

  it("to an account, as who did it and whom it was done to", async () => {
    await operator(backstay).auth.grantRole({ id: ben.id, role: "moderator" });
    await ben.client.auth.changeSecret({ old: ben.secret, new: "another secret" });
    const { events } = await list({ accountId: ben.id });
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["role.granted", "secret.changed", "sign_in.ok"]),
    );
    for (const { actorId, accountId } of events) expect([actorId, accountId]).toContain(ben.id);
    expect((await list({ accountId: "nobody" })).events).toEqual([]);
  });

  it("to what happened at a time or later", async () => {
    clock.advance(60_000);
    const since = {
      seconds: BigInt(Math.floor(clock.now().getTime() / 1_000)),
      nanos: (clock.now().getTime() % 1_000) * 1e6,
    };
    await wrongSecret(ada.login);
    const { events } = await list({ since });
    expect(events.map(({ type }) => type)).toEqual(["sign_in.failed"]);
    expect((await list({ since: { ...since, nanos: since.nanos + 1 } })).events).toEqual([]);
  });
});

it("has the life of an account: made, signed in to, given another secret, signed out of, deleted", async () => {
  const { id, login, secret, client } = await backstay.signUp();
  await client.auth.changeSecret({ old: secret, new: "another secret" });
  await client.auth.signOut();
  const { deviceId } = await client.auth.signIn({ login, secret: "another secret" });
  await client.accounts.deleteAccount({ id: "me" });
  const { events } = await list({ accountId: id });
  expect(events.map(({ type }) => type)).toEqual([
    "account.created",
    "sign_in.ok",
    "secret.changed",
    "sign_out",
    "sign_in.ok",
    "account.deleted",
  ]);
  expect(events[0]).toMatchObject({ actorKind: "anonymous", accountId: id, detail: { method: "secret", roles: [] } });
  expect(events[4]?.detail).toEqual({ method: "secret", device: deviceId });
  expect(events[5]).toMatchObject({ actorKind: "account", actorId: id, accountId: id });
});

it("keeps a repeated CreateAccount once", async () => {
  const request = { login: "made once", secret: "secret of made once", name: "Once" };
  const made = async () => (await ada.client.accounts.createAccount(request, { idempotencyKey: "once" })).account!.id;
  const ids = [await made(), await made()];
  expect(new Set(ids).size).toBe(1);
  expect((await list({ type: "account.created", accountId: ids[0]! })).events).toHaveLength(1);
});

describe("the actions of administrators", () => {
  it("are kept when they change or delete somebody else's account, and not when people do so with their own", async () => {
    const { id, client } = await backstay.signUp();
    const change = { account: { id, alias: "B" }, updateMask: { paths: ["alias"] } };
    await client.accounts.updateAccount(change);
    await operator(backstay).accounts.updateAccount(change);
    await operator(backstay).accounts.deleteAccount({ id });
    const { events } = await list({ accountId: id });
    expect(events.slice(2)).toMatchObject([
      {
        type: "admin.called",
        actorKind: "operator",
        detail: { method: "backstay.accounts.v1.AccountService/UpdateAccount" },
      },
      { type: "account.deleted", actorKind: "operator" },
    ]);
  });

  it("are kept with the method and the id it was about, and nothing else of the request", async () => {
    await operator(backstay).auth.grantRole({ id: ada.id, role: "very-secret-role" });
    const { events } = await list({ type: "admin.called", descending: true });
    expect(events[0]).toMatchObject({
      actorKind: "operator",
      accountId: ada.id,
      detail: { method: "backstay.auth.v1.AuthService/GrantRole", id: ada.id },
    });
    expect(JSON.stringify(events[0]?.detail)).not.toContain("very-secret-role");
  });

  it("are listed with the account that they were about, if it was one", async () => {
    const { id } = await backstay.signUp();
    const dashed = id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-").toUpperCase();
    const { accounts, auth, jobs } = operator(backstay);
    await accounts.setAccountStatus({ id: dashed, status: AccountStatus.BANNED, reason: "spam" });
    await auth.grantRole({ id, role: "moderator" });
    await auth.revokeRole({ id, role: "moderator" });
    const { events } = await list({ accountId: id, type: "admin.called" });
    expect(events.map(({ accountId, detail }) => [accountId, detail])).toEqual([
      [id, { method: "backstay.accounts.v1.AccountService/SetAccountStatus", id: dashed }],
      [id, { method: "backstay.auth.v1.AuthService/GrantRole", id }],
      [id, { method: "backstay.auth.v1.AuthService/RevokeRole", id }],
    ]);
    await jobs.pauseCron({ id: "backstay.audit.prune" });
    const [last] = (await list({ type: "admin.called", descending: true })).events;
    expect(last).toMatchObject({ accountId: "", detail: { id: "backstay.audit.prune" } });
  });

  it("are kept when they changed something, and not when they only read or were refused", async () => {
    const count = async () => (await list({ type: "admin.called" })).events.length;
    const before = await count();
    await operator(backstay).jobs.listQueues();
    await refused(operator(backstay).jobs.cancelJob({ id: "nobody" }));
    expect(await count()).toBe(before);
    await operator(backstay).cache.increment({ cache: "default", key: "a secret key" });
    expect(await count()).toBe(before + 1);
  });
});

it("is for administrators", async () => {
  expect(await curlRefused(backstay, LIST, {}, ada.token)).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await curlRefused(backstay, LIST, {})).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await curlRefused(backstay, LIST, { pageToken: "AAAA" }, operatorToken(backstay))).toMatchObject({
    reason: "INVALID_PAGE_TOKEN",
  });
  expect(await curl(backstay, LIST, { pageSize: 1 }, operatorToken(backstay))).toHaveProperty("nextPageToken");
});

it("is shown also where somebody wrote in it what the server never would", async () => {
  const sql = openDatabase(backstay);
  await list();
  await sql`alter table backstay.audit_log disable trigger all`;
  await sql`update backstay.audit_log set detail = 'no JSON' where sequence = 1`;
  const { events } = await list({ pageSize: 1 });
  expect(events[0]).toMatchObject({ sequence: 1n, detail: {} });
});
