import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { get } from "node:https";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createApp } from "../../server/app.js";
import { readConfig } from "../../server/config.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";

const fixture = (name: string) => new URL(`../http/fixtures/${name}`, import.meta.url).pathname;
const cert = fixture("test-only.cert.pem");
const key = fixture("test-only.key.pem");

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "tls.cert": cert, "tls.key": key });
});
afterAll(() => backstay.stop());

it("speaks HTTPS to HTTP/1.1 clients on the same port", async () => {
  expect(backstay.url).toMatch(/^https:/);
  const status = await new Promise((resolve, reject) => {
    get(`${backstay.url}/v1/ping`, { ca: readFileSync(cert), checkServerIdentity: () => undefined }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
  expect(status).toBe(200);
});

it("speaks HTTP/2 to those who ask for it by ALPN", async () => {
  const session = connect(backstay.url, { ca: readFileSync(cert), checkServerIdentity: () => undefined });
  const stream = session.request({ ":path": "/v1/ping" });
  const status = await new Promise((resolve, reject) => {
    stream.on("response", (headers) => resolve(headers[":status"]));
    session.on("error", reject);
  });
  expect([status, session.alpnProtocol]).toEqual([200, "h2"]);
  session.close();
});

it("does not start with a certificate that it cannot read, and says which", async () => {
  const config = readConfig({
    flags: {
      "tls.cert": "/nowhere.pem",
      "tls.key": key,
      home: `${backstay.home}/second`,
      "database.url": backstay.databaseUrl,
      secret: readFileSync(`${backstay.home}/etc/secret`, "utf8").trim(),
      port: "0",
    },
    env: {},
    cwd: backstay.home,
    development: true,
  });
  await expect(createApp(config).start()).rejects.toThrow("tls.cert: cannot read /nowhere.pem");
});
