import { afterAll, beforeAll, expect, it } from "vitest";
import { type CacheHouse, INTERNAL, startHouse } from "./house.js";

let house: CacheHouse;
const KEYS = ["b", "a", "user/10", "user/2", "Z", "ä"];
beforeAll(async () => {
  house = await startHouse();
  for (const key of KEYS) await house.ask("Put", { cache: "default", key, value: 1 });
});
afterAll(() => house.backstay.stop());

interface Page {
  keys?: string[];
  nextPageToken?: string;
}
const list = (request: object) => house.ask<Page>("ListKeys", { cache: "default", ...request });

it("lists the keys in the order of their text", async () => {
  expect(await list({})).toEqual({ keys: ["Z", "a", "b", "user/10", "user/2", "ä"] });
});

it("lists those that begin as was asked for", async () => {
  expect(await list({ prefix: "user/" })).toEqual({ keys: ["user/10", "user/2"] });
  expect(await list({ prefix: "nobody" })).toEqual({});
});

it("goes from page to page, past what was dropped or put meanwhile", async () => {
  const first = await list({ pageSize: 2 });
  expect(first.keys).toEqual(["Z", "a"]);
  await house.ask("Delete", { cache: "default", key: "a" });
  await house.ask("Put", { cache: "default", key: "c", value: 1 });
  const second = await list({ pageSize: 2, pageToken: first.nextPageToken });
  expect(second.keys).toEqual(["b", "c"]);
  const third = await list({ pageSize: 3, pageToken: second.nextPageToken });
  expect(third).toEqual({ keys: ["user/10", "user/2", "ä"] });
});

it("answers 50 keys when it is not said how many", async () => {
  for (let n = 0; n < 51; n++) await house.ask("Put", { cache: "default", key: `many/${n}`, value: n });
  const { keys, nextPageToken } = await list({ prefix: "many/" });
  expect(keys).toHaveLength(50);
  expect((await list({ prefix: "many/", pageToken: nextPageToken })).keys).toHaveLength(1);
});

it("refuses a token that is damaged, or of another list", async () => {
  const { nextPageToken } = await list({ pageSize: 1 });
  for (const request of [{ pageToken: "damaged" }, { pageToken: nextPageToken, prefix: "u" }]) {
    expect(await house.refused("ListKeys", { cache: "default", ...request })).toMatchObject({
      code: "invalid_argument",
      reason: "INVALID_PAGE_TOKEN",
    });
  }
});

it("refuses a cache that there is not, and one that the server keeps for itself", async () => {
  await house.ada.client.accounts.getAccount({});
  expect(await house.refused("ListKeys", { cache: "nosuch" })).toEqual({
    code: "not_found",
    reason: "CACHE_NOT_FOUND",
    fields: ["cache"],
  });
  expect(await house.refused("ListKeys", { cache: INTERNAL })).toEqual({
    code: "permission_denied",
    reason: "CACHE_INTERNAL",
    fields: ["cache"],
  });
});

it("is for administrators", async () => {
  expect(await house.refused("ListKeys", { cache: "default" }, house.ada.token)).toMatchObject({
    reason: "ADMIN_REQUIRED",
  });
});
