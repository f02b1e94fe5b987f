import { afterAll, beforeAll, expect, it } from "vitest";
import { type CacheHouse, startHouse } from "./house.js";

let house: CacheHouse;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.backstay.stop());

interface Stats {
  caches: ({ name: string } & Record<string, string | boolean>)[];
}

/** A cache as it is counted now; in JSON a count that is 0 is left out, and others are text. */
async function statsOf(name: string) {
  const { caches } = await house.ask<Stats>("GetStats", {});
  const found = caches.find((cache) => cache.name === name);
  if (found === undefined) throw new Error(`there is no cache ${name}`);
  return found;
}

it("counts what is found and not found, kept, dropped and put out", async () => {
  expect(await statsOf("default")).toEqual({ name: "default", maxSize: "10000" });
  for (const key of ["a", "b", "c"]) await house.ask("Put", { cache: "default", key, value: key });
  await house.ask("Put", { cache: "default", key: "brief", value: 1, ttl: "0.001s" });
  await house.ask("Get", { cache: "default", key: "a" });
  await house.refused("Get", { cache: "default", key: "never there" });
  await house.ask("Delete", { cache: "default", key: "a" });
  await house.ask("Delete", { cache: "default", key: "never there" });
  await new Promise((resolve) => setTimeout(resolve, 5));
  const counts = { size: "2", maxSize: "10000", hits: "1", misses: "1", puts: "4", drops: "1", evictions: "1" };
  expect(await statsOf("default")).toEqual({ name: "default", ...counts });
});

it("shows also those that the server keeps for itself, with the rows and the callers they know", async () => {
  await house.ada.client.accounts.getAccount({ id: "me" });
  for (const [name, maxSize] of [
    ["table.accounts", "20000"],
    ["table.grants", "50000"],
  ] as const) {
    const before = await statsOf(name);
    expect(before).toMatchObject({ name, internal: true, maxSize });
    await house.ada.client.accounts.getAccount({ id: "me" });
    const { hits } = await statsOf(name);
    expect(Number(hits)).toBeGreaterThan(Number(before.hits ?? 0));
  }
});

it("lists the caches in the order of their names", async () => {
  const { caches } = await house.ask<Stats>("GetStats", {});
  const names = caches.map(({ name }) => name);
  expect(names).toEqual([...names].sort());
  expect(names).toContain("default");
});

it("is for administrators", async () => {
  expect(await house.refused("GetStats", {}, house.ada.token)).toMatchObject({ reason: "ADMIN_REQUIRED" });
});
