import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { curlRefused, openDatabase } from "../support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

it("used signatures are forgotten when they have expired, however many", async () => {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.signature_uses select ('old' || n)::bytea, now() - interval '1 second'
    from generate_series(1, 12000) as n`;
  await sql`insert into backstay.signature_uses values ('young', now() + interval '1 minute')`;
  await runJob(backstay, "backstay.auth.prune");
  const left = await sql`select digest from backstay.signature_uses`;
  expect(left.map(({ digest }) => String(digest))).toEqual(["young"]);
});

it("tokens are forgotten a day after their end: until then an expired one is told from an unknown one", async () => {
  const sql = openDatabase(backstay);
  const [ada, ben, living] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  for (const [{ id }, ago] of [
    [ada, "23 hours"],
    [ben, "25 hours"],
  ] as const) {
    await sql`update backstay.grants set expires_at = now() - ${ago}::interval where account_id = ${id}`;
  }
  await runJob(backstay, "backstay.auth.prune");
  const refused = ({ token }: { token: string }) =>
    curlRefused(backstay, "auth.v1.AuthService/GetCurrent", {}, token).then(({ reason }) => reason);
  expect([await refused(ada), await refused(ben)]).toEqual(["TOKEN_EXPIRED", "INVALID_TOKEN"]);
  expect((await living.client.auth.getCurrent({})).account?.id).toBe(living.id);
});

it("what was begun with a browser is forgotten when its time is over", async () => {
  const sql = openDatabase(backstay);
  const begun = (seconds: number) => sql`
    insert into backstay.auth_challenges (id, kind, data_sealed, created_at, expires_at)
    values (gen_random_uuid(), 'oauth', '', now(), now() + ${seconds} * interval '1 second') returning id`;
  await begun(-1);
  const [open] = await begun(60);
  await runJob(backstay, "backstay.auth.prune");
  expect(await sql`select id from backstay.auth_challenges`).toEqual([open]);
});
