import { afterAll, beforeAll, expect, it } from "vitest";
import { openDatabase } from "../support.js";
import { type CacheHouse, INTERNAL, startHouse } from "./house.js";

let house: CacheHouse;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.backstay.stop());

it("drops all keys of a cache", async () => {
  for (const key of ["a", "b"]) await house.ask("Put", { cache: "default", key, value: key });
  expect(await house.ask("Clear", { cache: "default" })).toEqual({});
  expect(await house.ask("ListKeys", { cache: "default" })).toEqual({});
});

it("drops what the server keeps for itself, as after a change in the database by other means", async () => {
  const sql = openDatabase(house.backstay);
  const { ada } = house;
  await ada.client.accounts.getAccount({});
  await sql`update backstay.accounts set alias = 'by hand' where id = ${ada.id}`;
  await house.ask("Clear", { cache: INTERNAL });
  expect((await ada.client.accounts.getAccount({})).account?.alias).toBe("by hand");
});

it("refuses a cache that there is not", async () => {
  expect(await house.refused("Clear", { cache: "nosuch" })).toEqual({
    code: "not_found",
    reason: "CACHE_NOT_FOUND",
    fields: ["cache"],
  });
});

it("is for administrators", async () => {
  expect(await house.refused("Clear", { cache: "default" }, house.ada.token)).toMatchObject({
    reason: "ADMIN_REQUIRED",
  });
});
