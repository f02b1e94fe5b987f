import { afterAll, beforeAll, expect, it } from "vitest";
import { signInDemo } from "../../server/cli/demo.js";
import { openDatabase } from "../domains/support.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay?.stop());

/** The types of all that the audit log has, chained or not yet. */
async function audited(): Promise<string[]> {
  const rows = await openDatabase(backstay)`select type from backstay.audit_inbox
    union all select type from backstay.audit_log order by type`;
  return rows.map(({ type }) => type as string);
}

it("makes two accounts at the first start, and signs in to them at others, without a failure in the audit log", async () => {
  const first = await signInDemo(backstay.url, backstay.home);
  expect(first.map(({ login }) => login)).toEqual(["ada", "ben"]);
  const made = ["account.created", "account.created", "sign_in.ok", "sign_in.ok"];
  expect(await audited()).toEqual(made);
  const again = await signInDemo(backstay.url, backstay.home);
  expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
  expect(await audited()).toEqual([...made, "sign_in.ok", "sign_in.ok"]);
});

it("makes one anew that is not there although its secret is", async () => {
  const [before] = await signInDemo(backstay.url, backstay.home);
  await openDatabase(backstay)`delete from backstay.accounts where id = ${before!.id}`;
  const [ada, ben] = await signInDemo(backstay.url, backstay.home);
  expect(ada!.id).not.toBe(before!.id);
  for (const { token } of [ada!, ben!]) {
    const answer = await fetch(`${backstay.url}/v1/accounts/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
  }
});
