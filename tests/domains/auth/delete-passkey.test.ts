import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer } from "../support.js";
import { answered, auditOf, pageCall, register } from "./passkey-house.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

const remove = (token: string, id: string) => pageCall(backstay, "DeletePasskey", { id }, bearer(token));
const idOf = async (token: string): Promise<string> => answered((await register(backstay, token)).reply).passkey.id;

/** An account whose passkeys are the only ways in. */
async function withoutLogin(): Promise<{ id: string; token: string }> {
  const { account, tokens } = answered(await pageCall(backstay, "SignInAnonymously"));
  return { id: account.id, token: tokens.accessToken };
}

it("takes a passkey out of use", async () => {
  const ada = await backstay.signUp();
  const id = await idOf(ada.token);
  expect((await remove(ada.token, id)).status).toBe(200);
  expect(answered(await pageCall(backstay, "ListPasskeys", {}, bearer(ada.token)))).toEqual({});
  expect(await auditOf(backstay, "passkey.removed", ada.id)).toEqual([{ passkey: id }]);
  expect((await remove(ada.token, id)).reason).toBe("PASSKEY_NOT_FOUND");
});

it("finds no passkey of another account, nor another way in", async () => {
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  expect((await remove(ben.token, await idOf(ada.token))).reason).toBe("PASSKEY_NOT_FOUND");
  const { identities } = answered(await pageCall(backstay, "ListIdentities", {}, bearer(ben.token)));
  expect((await remove(ben.token, identities[0].id)).reason).toBe("PASSKEY_NOT_FOUND");
  expect((await remove(ben.token, "nonsense")).reason).toBe("PASSKEY_NOT_FOUND");
});

it("leaves the last way in, also when the last two go at once", async () => {
  const { token } = await withoutLogin();
  const ids = [await idOf(token), await idOf(token)];
  const replies = await Promise.all(ids.map((id) => remove(token, id)));
  expect(replies.map(({ status, reason }) => reason ?? status).sort()).toEqual([200, "LAST_WAY_IN"].sort());
});

it("lets the last passkey go when there is a login", async () => {
  const { token } = await withoutLogin();
  const id = await idOf(token);
  expect((await remove(token, id)).reason).toBe("LAST_WAY_IN");
  const login = { login: `upgraded ${Date.now()}`, secret: "long enough" };
  expect((await pageCall(backstay, "UpgradeAnonymous", login, bearer(token))).status).toBe(200);
  expect((await remove(token, id)).status).toBe(200);
});
