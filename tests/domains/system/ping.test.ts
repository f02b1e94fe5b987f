import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBackstay, type TestBackstay } from "../../support/backstay.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

const PING = "backstay.system.v1.SystemService/Ping";

it("case 87: answers anyone, and tells nothing, not even its version", async () => {
  const { status, json, headers } = await call(backstay.url, "system.v1.SystemService/Ping", {});
  expect(status).toBe(200);
  expect(json).toEqual({});
  expect(headers.get("server")).toBeNull();
  expect(headers.get("x-powered-by")).toBeNull();
});

it("answers the client", async () => {
  expect(await backstay.anonymous().system.ping()).toMatchObject({});
});

it("can be asked by GET", async () => {
  const response = await fetch(`${backstay.url}/${PING}?connect=v1&encoding=json&message=%7B%7D`);
  expect([response.status, await response.json()]).toEqual([200, {}]);
});

it("answers also a caller whose token is not valid", async () => {
  const { status } = await call(backstay.url, "system.v1.SystemService/Ping", {}, { authorization: "Bearer nobody" });
  expect(status).toBe(200);
});

it("returns the request id it was given, and makes one when there is none or a strange one", async () => {
  const idOf = async (sent?: string) => {
    const headers: Record<string, string> = sent === undefined ? {} : { "x-request-id": sent };
    return (await call(backstay.url, "system.v1.SystemService/Ping", {}, headers)).headers.get("x-request-id");
  };
  expect(await idOf("trace:1.2-3")).toBe("trace:1.2-3");
  expect(await idOf()).toMatch(/^[0-9a-f-]{36}$/);
  expect(await idOf("<script>")).toMatch(/^[0-9a-f-]{36}$/);
  expect(await idOf("x".repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
});
