import { afterAll, beforeAll, expect, it } from "vitest";
import { type CacheHouse, INTERNAL, startHouse } from "./house.js";

let house: CacheHouse;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.backstay.stop());

it("drops one key, and leaves the others", async () => {
  for (const key of ["a", "a/b"]) await house.ask("Put", { cache: "default", key, value: key });
  expect(await house.ask("Delete", { cache: "default", key: "a" })).toEqual({});
  expect(await house.ask("ListKeys", { cache: "default" })).toEqual({ keys: ["a/b"] });
});

it("drops a key that is not there all the same", async () => {
  expect(await house.ask("Delete", { cache: "default", key: "never there" })).toEqual({});
});

it("refuses a cache that there is not, and one that the server keeps for itself", async () => {
  await house.ada.client.accounts.getAccount({});
  for (const [cache, reason] of [
    ["nosuch", "CACHE_NOT_FOUND"],
    [INTERNAL, "CACHE_INTERNAL"],
  ]) {
    expect(await house.refused("Delete", { cache, key: house.ada.id })).toMatchObject({ reason, fields: ["cache"] });
  }
});

it("is for administrators", async () => {
  expect(await house.refused("Delete", { cache: "default", key: "a" }, house.ada.token)).toMatchObject({
    reason: "ADMIN_REQUIRED",
  });
});
