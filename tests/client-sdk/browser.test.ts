import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeKey } from "../domains/auth/api-key-house.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { startBrowser } from "../support/browser.js";

const ROOT = new URL("../..", import.meta.url).pathname;

/** The built package in a page, without a bundler: the browser's own modules, found by an import map. */
const IMPORTS = {
  "@backstay/client": "/client-sdk/dist/index.js",
  "@bufbuild/protobuf": "/node_modules/@bufbuild/protobuf/dist/esm/index.js",
  "@bufbuild/protobuf/codegenv2": "/node_modules/@bufbuild/protobuf/dist/esm/codegenv2/index.js",
  "@bufbuild/protobuf/reflect": "/node_modules/@bufbuild/protobuf/dist/esm/reflect/index.js",
  "@bufbuild/protobuf/wire": "/node_modules/@bufbuild/protobuf/dist/esm/wire/index.js",
  "@bufbuild/protobuf/wkt": "/node_modules/@bufbuild/protobuf/dist/esm/wkt/index.js",
  "@connectrpc/connect": "/node_modules/@connectrpc/connect/dist/esm/index.js",
  "@connectrpc/connect/protocol": "/node_modules/@connectrpc/connect/dist/esm/protocol/index.js",
  "@connectrpc/connect/protocol-connect": "/node_modules/@connectrpc/connect/dist/esm/protocol-connect/index.js",
  "@connectrpc/connect/protocol-grpc": "/node_modules/@connectrpc/connect/dist/esm/protocol-grpc/index.js",
  "@connectrpc/connect/protocol-grpc-web": "/node_modules/@connectrpc/connect/dist/esm/protocol-grpc-web/index.js",
  "@connectrpc/connect-web": "/node_modules/@connectrpc/connect-web/dist/esm/index.js",
};

let backstay: TestBackstay;
let browser: Browser;
let app: Server;
let page: Page;
let ada: Person;
beforeAll(async () => {
  [backstay, browser] = await Promise.all([startBackstay(), startBrowser()]);
  ada = await backstay.signUp();
  app = createServer(async (req, res) => {
    if (req.url === "/") {
      const script = `import * as sdk from "@backstay/client"; window.sdk = sdk; window.client = sdk.createClient("${backstay.url}");`;
      const map = JSON.stringify({ imports: IMPORTS });
      res.setHeader("content-type", "text/html");
      res.end(`<script type="importmap">${map}</script><script type="module">${script}</script>`);
      return;
    }
    res.setHeader("content-type", "text/javascript");
    res.end(await readFile(join(ROOT, normalize(req.url!))).catch(() => ""));
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(app.address() as AddressInfo).port}/`);
});
afterAll(async () => {
  await browser?.close();
  app?.close();
  await backstay?.stop();
});

it("signs every call with an API key, from a page of another origin", async () => {
  const key = await makeKey(backstay, ada.token);
  const seen = await page.evaluate(
    async ({ url, apiKey }) => {
      const { sdk } = window as never as { sdk: typeof import("@backstay/client") };
      const { account, via } = await sdk.createClient(url, { apiKey }).auth.getCurrent();
      return [account?.id, via];
    },
    { url: backstay.url, apiKey: key },
  );
  expect(seen).toEqual([ada.id, "api_key"]);
});

it("signs in from a page of another origin and gets a message live", async () => {
  const credentials = { login: ada.login, secret: ada.secret };
  const ben = await backstay.signUp();
  const text = page.evaluate(async (who) => {
    const { client } = window as never as { client: typeof ada.client };
    await client.auth.signIn(who);
    const stream = client.events.subscribe({ types: ["message.add"] });
    await stream.ready();
    document.title = "ready";
    const { value: event } = await stream.next();
    return event?.data?.text;
  }, credentials);
  await page.waitForFunction(() => document.title === "ready");
  await ben.client.messages.sendMessage({ recipientId: ada.id, text: "Hello page" });
  expect(await text).toBe("Hello page");
});

it("is still signed in after the page was loaded again", async () => {
  await page.reload();
  const id = await page.evaluate(async () => {
    const { client } = window as never as { client: typeof ada.client };
    return (await client.auth.getCurrent()).account?.id;
  });
  expect(id).toBe(ada.id);
});

it("opens a socket from a page of another origin, and asks by it as whoever is signed in", async () => {
  const answer = await page.evaluate(async () => {
    const { client } = window as never as { client: typeof ada.client };
    const socket = client.socket();
    const mine = await socket.request("/v1/accounts/me");
    socket.close();
    return mine as { account: { id: string } };
  });
  expect(answer.account.id).toBe(ada.id);
});

it("goes on by WebSocket where the page's fetch brings no body to read as it comes", async () => {
  const ben = await backstay.signUp();
  const text = page.evaluate(async (url) => {
    const { sdk } = window as never as { sdk: typeof import("@backstay/client") };
    const statuses: string[] = [];
    const bodyless: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      return Object.defineProperty(response, "body", { value: undefined });
    };
    const client = sdk.createClient(url, { fetch: bodyless });
    const stream = client.events.subscribe({}, { onStatus: ({ status }) => statuses.push(status) });
    await stream.ready();
    document.title = "ready by socket";
    const { value: event } = await stream.next();
    await stream.return();
    return [event?.data?.text, ...statuses];
  }, backstay.url);
  await page.waitForFunction(() => document.title === "ready by socket");
  await ben.client.messages.sendMessage({ recipientId: ada.id, text: "Hello socket" });
  expect(await text).toEqual(["Hello socket", "connecting", "live", "closed"]);
});

it.each(["stream", "socket"] as const)("by %s: is back as soon as the network is, whatever the pause", async (live) => {
  const ben = await backstay.signUp();
  const got = page.evaluate(
    async ([url, way]) => {
      const { sdk } = window as never as { sdk: typeof import("@backstay/client") };
      const hour = { minDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
      const client = sdk.createClient(url, { live: way, reconnect: hour });
      const texts: unknown[] = [];
      document.title = "not yet";
      const events = client.events.subscribe({ types: ["message.add"] });
      await events.ready();
      document.title = `ready by ${way}`;
      for await (const { data } of events) if (texts.push(data?.text) === 2) break;
      return texts;
    },
    [backstay.url, live] as const,
  );
  await page.waitForFunction((way) => document.title === `ready by ${way}`, live);
  await ben.client.messages.sendMessage({ recipientId: ada.id, text: "before" });
  await page.context().setOffline(true);
  await ben.client.messages.sendMessage({ recipientId: ada.id, text: "meanwhile" });
  await page.context().setOffline(false);
  expect(await got).toEqual(["before", "meanwhile"]);
});
