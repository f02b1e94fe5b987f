import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { auditOf } from "../audit.js";
import { standingStream } from "../stream.js";
import { curl, curlRefused, eventually, operatorToken, refused, upTo } from "../support.js";

const GRANT = "auth.v1.AuthService/GrantRole";
const LIST_JOBS = "jobs.v1.JobService/ListJobs";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const grant = (role: string, id = ada.id, token = operatorToken(backstay)) =>
  curl<{ account: { id: string; roles?: string[] } }>(backstay, GRANT, { id, role }, token);

it("gives the role and answers the account whole, its roles in order", async () => {
  await grant("support");
  const { account } = await grant("auditor");
  expect(account).toMatchObject({ id: ada.id, login: ada.login, roles: ["auditor", "support"] });
  expect((await ada.client.auth.getCurrent()).roles).toEqual(["auditor", "support"]);
});

it("makes an administrator of whoever has just called without being one", async () => {
  expect((await curlRefused(backstay, LIST_JOBS, {}, ada.token)).reason).toBe("ADMIN_REQUIRED");
  await grant("admin");
  await curl(backstay, LIST_JOBS, {}, ada.token);
});

it("is seen by every node within a second", async () => {
  const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
  const node = await startBackstay({ "database.url": backstay.databaseUrl, secret });
  expect((await curlRefused(node, LIST_JOBS, {}, ada.token)).reason).toBe("ADMIN_REQUIRED");
  await grant("admin");
  await eventually(1_000, "the role is seen", () =>
    curl(node, LIST_JOBS, {}, ada.token).then(
      () => true,
      () => undefined,
    ),
  );
  await node.stop();
});

it("ends nothing that is open, and tells the account's streams", async () => {
  const stream = await standingStream(backstay, ada.token);
  await grant("support");
  expect(await stream.event(1_000)).toMatchObject({ type: "account.update", data: { changed: ["roles"] } });
  await ada.client.accounts.updateAccount({ account: { phone: "1" }, updateMask: { paths: ["phone"] } });
  expect((await stream.event(1_000)).data).toEqual({ changed: ["phone"] });
});

it("changes nothing when the account has the role, and says so nowhere", async () => {
  const first = await grant("support");
  expect(await grant("support")).toEqual(first);
  expect(await auditOf(backstay, ada.id, "role.granted")).toEqual([{ actorId: null, detail: { role: "support" } }]);
});

it("gives each of twenty roles that are given at once", async () => {
  await Promise.all(upTo(20).map((n) => grant(`role-${n}`)));
  const roles = upTo(20).map((n) => `role-${n}`);
  expect((await ada.client.accounts.getAccount({})).account?.roles).toEqual(roles.sort());
});

it("is for administrators, of accounts that there are", async () => {
  const byAda = ada.client.auth.grantRole({ id: ada.id, role: "admin" });
  expect(await refused(byAda)).toMatchObject({ code: "permission_denied", reason: "ADMIN_REQUIRED" });
  for (const id of ["0190163d8694739b8b1fcb8dd4e60777", "nobody"]) {
    const nobody = await curlRefused(backstay, GRANT, { id, role: "admin" }, operatorToken(backstay));
    expect(nobody).toEqual({ code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["id"] });
  }
  const shape = await curlRefused(backstay, GRANT, { id: ada.id, role: "Admin!" }, operatorToken(backstay));
  expect(shape).toMatchObject({ reason: "INVALID_FIELD", fields: ["role"] });
});
