import { afterAll, beforeAll, expect, it } from "vitest";
import { bearer, operatorToken } from "../support.js";
import { type CacheHouse, INTERNAL, startHouse } from "./house.js";

let house: CacheHouse;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.backstay.stop());

it.each([[null], [false], [0], [""], ["Ünï\u2028"], [[1, "two", [null]]], [{ a: { b: [] }, c: 1.5e300 }]])(
  "answers %j as it was put",
  async (value) => {
    await house.ask("Put", { cache: "default", key: "a", value });
    expect(await house.ask("Get", { cache: "default", key: "a" })).toEqual({ value });
  },
);

it("takes keys with slashes in its path", async () => {
  await house.ask("Put", { cache: "default", key: "user/1/name", value: "Ada" });
  const headers = bearer(operatorToken(house.backstay));
  const answer = await fetch(`${house.backstay.url}/v1/caches/default/keys/user/1/name`, { headers });
  expect(await answer.json()).toEqual({ value: "Ada" });
});

it("refuses a key that is not there, a cache that is not, and one that the server keeps for itself", async () => {
  await house.ada.client.accounts.getAccount({});
  for (const [cache, key, reason, field] of [
    ["default", "never there", "CACHE_KEY_NOT_FOUND", "key"],
    ["nosuch", "a", "CACHE_NOT_FOUND", "cache"],
    [INTERNAL, house.ada.id, "CACHE_INTERNAL", "cache"],
  ]) {
    expect(await house.refused("Get", { cache, key })).toMatchObject({ reason, fields: [field] });
  }
});

it("is for administrators", async () => {
  expect(await house.refused("Get", { cache: "default", key: "a" }, house.ada.token)).toMatchObject({
    reason: "ADMIN_REQUIRED",
  });
});
