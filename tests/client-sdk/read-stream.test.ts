import { BackstayError, createClient, memoryStore } from "@backstay/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { operator } from "../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { rejection } from "./support/client.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

/** Everything an answer has, when it is whole. */
async function all<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const part of parts) read.push(part);
  return read;
}

test("an answer in parts ends with its last part", async () => {
  const records = await all(ada.client.accounts.exportAccount("me"));
  expect(records.map(({ domain }) => domain)).toContain("accounts");
  expect((await all(ada.client.accounts.exportAccount({ id: ada.id }))).length).toBe(records.length);
  const checks = await all(operator(backstay).auth.verifyAuditLog());
  expect(checks.at(-1)).toMatchObject({ done: true, fault: "" });
});

test("a token that the server does not take is renewed, and the answer asked for again", async () => {
  const { tokens } = ada.client.auth;
  const client = createClient(backstay.url, { store: memoryStore({ ...tokens!, accessToken: "bs_at_damaged" }) });
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  expect((await all(client.accounts.exportAccount("me"))).length).toBeGreaterThan(0);
  expect(events).toEqual(["refreshed"]);
});

test("whoever may not ask is told so in place of the first part", async () => {
  const { client } = await backstay.signUp();
  expect(await rejection(all(client.auth.verifyAuditLog()))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await rejection(all(backstay.anonymous().auth.verifyAuditLog()))).toMatchObject({ reason: "TOKEN_MISSING" });
});

test("a signal gives it up, before it begins and in the middle", async () => {
  const { client } = await backstay.signUp();
  const gone = AbortSignal.abort();
  const before = await rejection(all(client.accounts.exportAccount("me", { signal: gone })));
  expect(BackstayError.is(before, "canceled")).toBe(true);
  const stop = new AbortController();
  const leave = async () => {
    for await (const _ of client.accounts.exportAccount("me", { signal: stop.signal })) stop.abort();
  };
  expect(BackstayError.is(await rejection(leave()), "canceled")).toBe(true);
});

test("headers of the app are sent with it", async () => {
  const headers = { "x-request-id": "an-export-of-the-app" };
  await all(ada.client.accounts.exportAccount("me", { headers }));
  await expect.poll(() => backstay.log()).toContain("an-export-of-the-app");
});
