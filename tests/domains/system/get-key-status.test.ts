import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { curlRefused, eventually, keyOf, operator, refused } from "../support.js";

const [OLD, NEW] = ["ab".repeat(32), "cd".repeat(32)];

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

it("names the key, and says that nothing is left, where no key takes another's place", async () => {
  const status = await operator(backstay).system.getKeyStatus({});
  expect(status).toMatchObject({ current: keyOf(backstay).fingerprint, previous: [], previousMayGo: true });
  expect(status.left.map(({ column, count }) => [column, count])).toEqual([
    ["identities.secret_sealed", 0n],
    ["totp.secret_sealed", 0n],
    ["api_keys.key_sealed", 0n],
  ]);
});

it("is for administrators", async () => {
  expect((await refused(ada.client.system.getKeyStatus({}))).code).toBe("permission_denied");
  expect((await curlRefused(backstay, "system.v1.SystemService/GetKeyStatus", {})).code).toBe("unauthenticated");
});

it("counts what is left under the key before, until it has been sealed anew", async () => {
  const before = await startBackstay({ secret: OLD, roles: "api,relay" });
  for (const login of ["one", "two"]) {
    const account = { login, secret: `secret of ${login}`, name: login, signatures: true };
    await before.anonymous().accounts.createAccount(account);
  }
  const ring = { "database.url": before.databaseUrl, secret: NEW, secret_previous: OLD };
  const after = await startBackstay({ ...ring, roles: "api,relay" });
  const [old] = [(await operator(before).system.getKeyStatus({})).current];
  const turning = await operator(after).system.getKeyStatus({});
  expect(turning).toMatchObject({ previous: [old], previousMayGo: false });
  expect(turning.left[0]).toMatchObject({ column: "identities.secret_sealed", count: 2n });
  const sealing = await startBackstay({ ...ring, roles: "jobs,relay" });
  const turned = await eventually(10_000, "the previous key may go", async () => {
    const status = await operator(after).system.getKeyStatus({});
    return status.previousMayGo ? status : undefined;
  });
  await sealing.stop();
  expect(turned).toMatchObject({ current: turning.current, previous: [old], previousMayGo: true });
  expect(turned.left[0]?.count).toBe(0n);
  await after.stop();
  await before.stop();
});
