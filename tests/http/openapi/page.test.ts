import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createOpenApiPage } from "../../../server/http/openapi/index.js";

const TEXT = JSON.stringify({ openapi: "3.1.1", filler: "a".repeat(2000) });
let written = 0;
let page = createOpenApiPage(() => "");
const server = createServer((req, res) => page.answer(req, res));
let url = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/openapi.json`;
});
afterAll(() => server.close());
beforeEach(() => {
  written = 0;
  page = createOpenApiPage(() => {
    written += 1;
    return TEXT;
  });
});

const ask = (headers: Record<string, string> = {}, method = "GET") => fetch(url, { method, headers });

test("the document is written when it is first asked for, and once", async () => {
  expect(written).toBe(0);
  const answers = [await ask(), await ask()];
  expect(written).toBe(1);
  for (const answer of answers) {
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await answer.text()).toBe(TEXT);
  }
});

test("HEAD answers the headers alone", async () => {
  const answer = await ask({ "accept-encoding": "identity" }, "HEAD");
  expect(answer.headers.get("content-length")).toBe(`${TEXT.length}`);
  expect(await answer.text()).toBe("");
});

test("who has the document already is told so", async () => {
  const { headers } = await ask();
  const etag = headers.get("etag")!;
  expect(headers.get("cache-control")).toBe("no-cache");
  for (const known of [etag, `"other", ${etag}`, etag.slice(2), "*"]) {
    const again = await ask({ "if-none-match": known });
    expect(again.status).toBe(304);
    expect(again.headers.get("etag")).toBe(etag);
    expect(await again.text()).toBe("");
  }
  expect((await ask({ "if-none-match": '"other"' })).status).toBe(200);
});

test("it is compressed for those who can read that", async () => {
  const packed = await ask({ "accept-encoding": "gzip" });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(Number(packed.headers.get("content-length"))).toBeLessThan(200);
  expect(await packed.text()).toBe(TEXT);
  const plain = await ask({ "accept-encoding": "identity" });
  expect(plain.headers.get("content-encoding")).toBeNull();
  expect(plain.headers.get("vary")).toBe("accept-encoding");
});

test("it takes no other methods, and names the call as every answer does", async () => {
  const refused = await ask({ "x-request-id": "mine" }, "POST");
  expect(refused.status).toBe(405);
  expect(refused.headers.get("allow")).toBe("GET, HEAD");
  expect(refused.headers.get("x-request-id")).toBe("mine");
  expect((await ask({ "x-request-id": "mine" })).headers.get("x-request-id")).toBe("mine");
});
