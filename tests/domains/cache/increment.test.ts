import { afterAll, beforeAll, expect, it } from "vitest";
import { type CacheHouse, INTERNAL, startHouse } from "./house.js";

let house: CacheHouse;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.backstay.stop());

const increment = (request: object) => house.ask<{ value?: number }>("Increment", { cache: "default", ...request });

it("adds one when it is not said how much, to nothing when there is nothing", async () => {
  expect(await increment({ key: "n" })).toEqual({ value: 1 });
  expect(await increment({ key: "n" })).toEqual({ value: 2 });
});

it("adds what is said, also fractions, less than nothing, and nothing", async () => {
  expect(await increment({ key: "by", by: 2.5 })).toEqual({ value: 2.5 });
  expect(await increment({ key: "by", by: -4 })).toEqual({ value: -1.5 });
  expect(await increment({ key: "by", by: 0 })).toEqual({ value: -1.5 });
  expect(await house.ask("Get", { cache: "default", key: "by" })).toEqual({ value: -1.5 });
});

it("counts every one of many that come at once", async () => {
  await Promise.all(Array.from({ length: 100 }, () => increment({ key: "many" })));
  expect(await house.ask("Get", { cache: "default", key: "many" })).toEqual({ value: 100 });
});

it("adds to a number that was put", async () => {
  await house.ask("Put", { cache: "default", key: "put", value: 41 });
  expect(await increment({ key: "put" })).toEqual({ value: 42 });
});

it.each([["text"], [null], [true], [[]], [{}]])("refuses %j, and leaves it", async (value) => {
  await house.ask("Put", { cache: "default", key: "other", value });
  expect(await house.refused("Increment", { cache: "default", key: "other" })).toMatchObject({
    code: "failed_precondition",
    reason: "NOT_A_NUMBER",
  });
  expect(await house.ask("Get", { cache: "default", key: "other" })).toEqual({ value });
});

it("refuses a sum that is no number any more", async () => {
  await increment({ key: "huge", by: 1.7e308 });
  expect(await house.refused("Increment", { cache: "default", key: "huge", by: 1.7e308 })).toMatchObject({
    reason: "NOT_A_NUMBER",
  });
  expect(await increment({ key: "huge", by: -1.7e308 })).toEqual({});
});

it("refuses a cache that there is not, and one that the server keeps for itself", async () => {
  await house.ada.client.accounts.getAccount({});
  for (const [cache, reason] of [
    ["nosuch", "CACHE_NOT_FOUND"],
    [INTERNAL, "CACHE_INTERNAL"],
  ]) {
    expect(await house.refused("Increment", { cache, key: "n" })).toMatchObject({ reason, fields: ["cache"] });
  }
});

it("is for administrators", async () => {
  expect(await house.refused("Increment", { cache: "default", key: "n" }, house.ada.token)).toMatchObject({
    reason: "ADMIN_REQUIRED",
  });
});
