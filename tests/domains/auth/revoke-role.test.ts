import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openSocket } from "../../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { auditOf } from "../audit.js";
import { openStream, type Stream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken } from "../support.js";
import { knownBy } from "./cookies.js";

const GRANT = "auth.v1.AuthService/GrantRole";
const REVOKE = "auth.v1.AuthService/RevokeRole";
const LIST_JOBS = "jobs.v1.JobService/ListJobs";
const LAST_ADMIN = { code: "failed_precondition", reason: "LAST_ADMIN", fields: [] };

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  await openDatabase(backstay)`update backstay.accounts set roles = '{}'`;
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  for (const { id } of [ada, ben]) await grant("admin", id);
});
afterAll(() => backstay.stop());

const grant = (role: string, id = ada.id) => curl(backstay, GRANT, { id, role }, operatorToken(backstay));
const revoke = (role: string, id = ada.id, token = operatorToken(backstay)) =>
  curl<{ account: { roles?: string[] } }>(backstay, REVOKE, { id, role }, token);
const revokeRefused = (role: string, id = ada.id, token = operatorToken(backstay)) =>
  curlRefused(backstay, REVOKE, { id, role }, token);

/** A stream that only an administrator may have: another's topic. */
const adminsStream = (at: TestBackstay, topic = `account/${ben.id}`) =>
  standingStream(at, ada.token, { topics: [topic] });

it("takes the role and answers the account without it", async () => {
  await grant("support");
  expect((await revoke("admin")).account).toMatchObject({ id: ada.id, roles: ["support"] });
  expect((await ada.client.auth.getCurrent()).roles).toEqual(["support"]);
});

it("holds for the next call, and leaves the account signed in", async () => {
  await curl(backstay, LIST_JOBS, {}, ada.token);
  await revoke("admin");
  expect((await curlRefused(backstay, LIST_JOBS, {}, ada.token)).reason).toBe("ADMIN_REQUIRED");
  expect(await knownBy(backstay.url, bearer(ada.token))).toBe(`${ada.id} by token`);
  const { refreshToken } = ada.client.auth.tokens!;
  await curl(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
});

describe("what the account has open", () => {
  it("ends within a second: a stream by its goodbye, and is refused when it comes again", async () => {
    const stream = await adminsStream(backstay);
    await revoke("admin");
    expect(await stream.goodbye(1_000)).toHaveProperty("reconnectAfterMs");
    const again = await openStream(backstay, ada.token, { topics: [`account/${ben.id}`] });
    expect((await again.end(1_000)).refused?.reason).toBe("TOPIC_FORBIDDEN");
  });

  it("ends within a second: a socket, whose next may do less", async () => {
    const options = { protocols: ["backstay.v1", `bearer.${ada.token}`] };
    const socket = await openSocket(backstay.url, options);
    expect((await socket.ask("/v1/jobs")).status).not.toBe(403);
    await revoke("admin");
    expect(await socket.closed(1_000)).toEqual({ code: 1001, reason: "ROLES_CHANGED" });
    const next = await openSocket(backstay.url, options);
    expect((await next.ask("/v1/jobs")).status).toBe(403);
  });

  it("ends within a second: the watching of a job", async () => {
    const jobs = "backstay.accounts.erase";
    const { job } = await curl<{ job: { id: string } }>(
      backstay,
      "jobs.v1.JobService/SubmitJob",
      { name: jobs, args: { accountId: "0".repeat(32) }, runAt: "2100-01-01T00:00:00Z" },
      operatorToken(backstay),
    );
    const controller = new AbortController();
    const response = await fetch(`${backstay.url}/v1/jobs/${job.id}:watch`, {
      headers: { ...bearer(ada.token), accept: "application/x-ndjson" },
      signal: controller.signal,
    });
    const ended = response.text();
    await revoke("admin");
    const text = await Promise.race([ended, new Promise<string>((r) => setTimeout(r, 1_500, "not ended"))]);
    controller.abort();
    const [first, last, ...more] = text.trim().split("\n");
    expect(JSON.parse(first!)).toMatchObject({ job: { id: job.id } });
    expect(JSON.parse(last!).error.details).toContainEqual(expect.objectContaining({ reason: "CONFLICT" }));
    expect(more).toEqual([]);
  });

  it("ends within a second on another node, where the role is gone by then", async () => {
    const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
    const node = await startBackstay({ "database.url": backstay.databaseUrl, secret });
    const stream: Stream = await adminsStream(node);
    await curl(node, LIST_JOBS, {}, ada.token);
    await revoke("admin");
    await stream.goodbye(1_000);
    await eventually(1_000, "the role is gone", () =>
      curlRefused(node, LIST_JOBS, {}, ada.token).then(
        ({ reason }) => (reason === "ADMIN_REQUIRED" ? true : undefined),
        () => undefined,
      ),
    );
    await node.stop();
  });

  it("stays when it was opened with no more than the account has left, and when another loses a role", async () => {
    const stream = await adminsStream(backstay, `account/${ada.id}`);
    await grant("support");
    await revoke("support");
    await revoke("admin", ben.id);
    const types = [await stream.event(1_000), await stream.event(1_000)].map(({ type }) => type);
    expect(types).toEqual(["account.update", "account.update"]);
    await ada.client.accounts.updateAccount({ account: { phone: "1" }, updateMask: { paths: ["phone"] } });
    expect((await stream.event(1_000)).data).toEqual({ changed: ["phone"] });
  });
});

describe("the last administrator", () => {
  beforeEach(() => revoke("admin", ben.id));

  it("stays one, whoever asks: the command line counts as none", async () => {
    expect(await revokeRefused("admin")).toEqual(LAST_ADMIN);
    expect(await revokeRefused("admin", ada.id, ada.token)).toEqual(LAST_ADMIN);
    await curl(backstay, LIST_JOBS, {}, ada.token);
  });

  it("is the one who is not banned", async () => {
    await grant("admin", ben.id);
    const ban = { id: ben.id, status: "ACCOUNT_STATUS_BANNED" };
    await curl(backstay, "accounts.v1.AccountService/SetAccountStatus", ban, operatorToken(backstay));
    expect(await revokeRefused("admin")).toEqual(LAST_ADMIN);
    await revoke("admin", ben.id);
  });

  it("is left by one of two who remove each other at once", async () => {
    await grant("admin", ben.id);
    const answers = await Promise.all([
      connectJson(backstay.url, REVOKE, { id: ben.id, role: "admin" }, bearer(ada.token)),
      connectJson(backstay.url, REVOKE, { id: ada.id, role: "admin" }, bearer(ben.token)),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const left = await openDatabase(backstay)`select id from backstay.accounts where 'admin' = any(roles)`;
    expect(left).toHaveLength(1);
  });

  it("may lose other roles", async () => {
    await grant("support");
    await revoke("support");
  });
});

it("changes nothing when the account has no such role", async () => {
  await revoke("support");
  expect(await auditOf(backstay, ada.id, "role.revoked")).toEqual([]);
  await revoke("admin", ada.id, ben.token);
  expect(await auditOf(backstay, ada.id, "role.revoked")).toEqual([{ actorId: ben.id, detail: { role: "admin" } }]);
});

it("is for administrators, of accounts that there are", async () => {
  const person = await backstay.signUp();
  expect((await revokeRefused("admin", ada.id, person.token)).reason).toBe("ADMIN_REQUIRED");
  expect(await revokeRefused("admin", "nobody")).toEqual({
    code: "not_found",
    reason: "ACCOUNT_NOT_FOUND",
    fields: ["id"],
  });
});
