import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CacheService } from "#gen/backstay/cache/v1/cache_pb.js";
import { bearer, eventually, operatorToken } from "../support.js";
import { type CacheHouse, INTERNAL, startHouse } from "./house.js";

let house: CacheHouse;
let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "backstay-home-"));
  mkdirSync(join(home, "etc"));
  writeFileSync(join(home, "etc", "config"), "cache-small=local:?bk-max=3\n");
  house = await startHouse({ home, "limits.message_bytes": "4000000" });
});
afterAll(async () => {
  await house.backstay.stop();
  rmSync(home, { recursive: true });
});

const get = (cache: string, key: string) => house.ask("Get", { cache, key });

it("takes the place of what was there", async () => {
  for (const value of [1, { two: 2 }]) await house.ask("Put", { cache: "default", key: "a", value });
  expect(await get("default", "a")).toEqual({ value: { two: 2 } });
});

it("keeps caches apart", async () => {
  await house.ask("Put", { cache: "default", key: "apart", value: 1 });
  expect(await house.refused("Get", { cache: "small", key: "apart" })).toMatchObject({ reason: "CACHE_KEY_NOT_FOUND" });
});

it("keeps as many keys as the configuration says; the least recently used go first", async () => {
  for (const key of ["a", "b", "c"]) await house.ask("Put", { cache: "small", key, value: 1 });
  await get("small", "a");
  await house.ask("Put", { cache: "small", key: "d", value: 1 });
  expect(await house.ask("ListKeys", { cache: "small" })).toEqual({ keys: ["a", "c", "d"] });
});

it("keeps a value as long as is said with it", async () => {
  await house.ask("Put", { cache: "default", key: "brief", value: 1, ttl: "0.3s" });
  expect(await get("default", "brief")).toEqual({ value: 1 });
  await eventually(2_000, "the value is gone", async () => {
    const { keys } = await house.ask<{ keys?: string[] }>("ListKeys", { cache: "default", prefix: "brief" });
    return keys === undefined || undefined;
  });
});

it("refuses more than 1 MiB of JSON", async () => {
  const put = (value: string) => ({ cache: "default", key: "large", value });
  await house.ask("Put", put("x".repeat((1 << 20) - 2)));
  expect(await house.refused("Put", put("x".repeat((1 << 20) - 1)))).toEqual({
    code: "invalid_argument",
    reason: "INVALID_FIELD",
    fields: ["value"],
  });
});

it.each([
  ["a number that JSON has not", { case: "numberValue", value: Number.NaN }],
  ["nothing", { case: undefined }],
] as const)("refuses %s, which only binary forms can say", async (_, kind) => {
  const { backstay } = house;
  const client = createClient(CacheService, createGrpcTransport({ baseUrl: backstay.url }));
  const put = client.put({ cache: "default", key: "a", value: { kind } }, { headers: bearer(operatorToken(backstay)) });
  await expect(put).rejects.toThrow("[invalid_argument] The value is not JSON.");
});

it.each([
  ["no value", { key: "a" }, "value"],
  ["no key", { value: 1 }, "key"],
  ["a key that is too long", { key: "x".repeat(513), value: 1 }, "key"],
  ["no time at all", { key: "a", value: 1, ttl: "0s" }, "ttl"],
  ["more than a year", { key: "a", value: 1, ttl: "31536001s" }, "ttl"],
])("refuses %s", async (_, request, field) => {
  expect(await house.refused("Put", { cache: "default", ...request })).toMatchObject({
    code: "invalid_argument",
    fields: [field],
  });
});

it("refuses a cache that there is not, and one that the server keeps for itself", async () => {
  await house.ada.client.accounts.getAccount({});
  for (const [cache, reason] of [
    ["nosuch", "CACHE_NOT_FOUND"],
    [INTERNAL, "CACHE_INTERNAL"],
  ]) {
    expect(await house.refused("Put", { cache, key: house.ada.id, value: {} })).toMatchObject({ reason });
  }
});

it("takes any key by REST: its slashes as they are, its colons as %3A", async () => {
  const { backstay } = house;
  const put = (path: string) =>
    fetch(`${backstay.url}/v1/caches/default/keys/${path}`, {
      method: "PUT",
      headers: { ...bearer(operatorToken(backstay)), "content-type": "application/json" },
      body: JSON.stringify({ value: path }),
    });
  for (const [path, key] of [
    ["rest/a/b", "rest/a/b"],
    ["rest/a%3Aincrement", "rest/a:increment"],
    ["rest/a%2Fc", "rest/a%2Fc"],
  ] as const) {
    expect((await put(path)).status).toBe(200);
    expect(await get("default", key)).toEqual({ value: path });
  }
});

it("is for administrators", async () => {
  expect(await house.refused("Put", { cache: "default", key: "a", value: 1 }, house.ada.token)).toMatchObject({
    reason: "ADMIN_REQUIRED",
  });
});
