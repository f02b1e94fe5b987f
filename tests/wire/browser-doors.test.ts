import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { startBrowser } from "../support/browser.js";

let backstay: TestBackstay;
let strict: TestBackstay;
let browser: Browser;
let elsewhere: Server;
let origin: string;
let ada: Person;
beforeAll(async () => {
  elsewhere = createServer((_, res) => res.setHeader("content-type", "text/html").end("<title>elsewhere</title>"));
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  [backstay, strict, browser] = await Promise.all([
    startBackstay({ "events.stream_ttl": "1s" }),
    startBackstay({ "cors.origins": "https://app.example", "limits.rate": "off" }, { development: false }),
    startBrowser(),
  ]);
  ada = await backstay.signUp();
});
afterAll(async () => {
  await browser?.close();
  elsewhere?.close();
  await Promise.all([backstay?.stop(), strict?.stop()]);
});

async function pageAt(url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  return page;
}

/** What a page's fetch comes to: the status and body, or that the browser withheld it. */
const fetchIn = (page: Page, url: string, init: RequestInit = {}) =>
  page.evaluate(
    async ([to, how]) => {
      try {
        const response = await fetch(to, how);
        return { status: response.status, id: response.headers.get("x-request-id"), text: await response.text() };
      } catch (error) {
        return { withheld: (error as Error).name };
      }
    },
    [url, init] as const,
  );

describe("a page of another origin", () => {
  it("calls by REST and by Connect, with headers that need a preflight, and reads the answer's headers", async () => {
    const page = await pageAt(origin);
    const headers = {
      authorization: `Bearer ${ada.token}`,
      "content-type": "application/json",
      "x-request-id": "from-a-page",
    };
    const rest = await fetchIn(page, `${backstay.url}/v1/auth/current`, { headers });
    expect(rest).toMatchObject({ status: 200, id: "from-a-page" });
    const patched = await fetchIn(page, `${backstay.url}/v1/accounts/me`, {
      method: "PATCH",
      headers,
      body: '{"alias":"A"}',
    });
    expect(patched).toMatchObject({ status: 200 });
    const path = "/backstay.auth.v1.AuthService/GetCurrent";
    expect(await fetchIn(page, backstay.url + path, { method: "POST", headers, body: "{}" })).toMatchObject({
      status: 200,
    });
  });

  it("is told nothing by a server that does not list it", async () => {
    const page = await pageAt(origin);
    expect(await fetchIn(page, `${strict.url}/v1/ping`)).toEqual({ withheld: "TypeError" });
    const preflighted = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    expect(await fetchIn(page, `${strict.url}/v1/auth/sign-in`, preflighted)).toEqual({ withheld: "TypeError" });
  });
});

describe("a page of the server's own", () => {
  /** Opens the start page and signs in there with a cookie. */
  async function signedInPage(): Promise<Page> {
    const page = await pageAt(backstay.url);
    const body = JSON.stringify({ login: ada.login, secret: ada.secret, cookie: true });
    const headers = { "content-type": "application/json" };
    expect(await fetchIn(page, "/v1/auth/sign-in", { method: "POST", headers, body })).toMatchObject({ status: 200 });
    return page;
  }

  it("is known by its session cookie, which scripts cannot read", async () => {
    const page = await signedInPage();
    const { text } = (await fetchIn(page, "/v1/auth/current")) as { text: string };
    expect(JSON.parse(text)).toMatchObject({ via: "cookie", account: { id: ada.id } });
    expect(await page.evaluate(() => document.cookie)).toBe("");
    const headers = { "content-type": "application/json" };
    const change = { method: "PATCH", headers, body: '{"alias":"by cookie"}' };
    expect(await fetchIn(page, "/v1/accounts/me", change)).toMatchObject({ status: 200 });
    await fetchIn(page, "/v1/auth/sign-out", { method: "POST", headers, body: "{}" });
    expect(await fetchIn(page, "/v1/auth/current")).toMatchObject({ status: 401 });
  });

  it("follows events by EventSource, which resumes where it was when a stream ends", async () => {
    const page = await signedInPage();
    const ben = await backstay.signUp();
    await page.evaluate(() => {
      const seen: string[] = [];
      const source = new EventSource("/v1/events:subscribe?types=message.add");
      let opened = 0;
      source.onopen = () => {
        opened += 1;
      };
      source.onmessage = ({ data, lastEventId }) => {
        const item = JSON.parse(data);
        if (item.event !== undefined) seen.push(item.event.data.text);
        if (item.event !== undefined && lastEventId !== item.event.cursor) seen.push("an id that is not the cursor");
      };
      Object.assign(window, { told: () => ({ opened, seen }) });
    });
    type Told = { told(): { opened: number; seen: string[] } };
    const told = () => page.evaluate(() => (window as never as Told).told());
    await expect.poll(async () => (await told()).opened, { timeout: 5_000 }).toBeGreaterThan(0);
    const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
    // The stream lives a second: these messages are sent over several of them, and between two of them.
    for (const text of texts) {
      await ben.client.messages.sendMessage({ recipientId: ada.id, text });
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await expect.poll(async () => (await told()).seen, { timeout: 15_000 }).toEqual(texts);
    expect((await told()).opened).toBeGreaterThan(1);
  });

  it("of another site cannot use the cookie to change anything", async () => {
    const page = await signedInPage();
    await page.goto(origin.replace("127.0.0.1", "localhost"));
    const form = { method: "POST", credentials: "include", mode: "no-cors", body: "alias=stolen" } as RequestInit;
    await fetchIn(page, `${backstay.url}/account/update`, {
      ...form,
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    await fetchIn(page, `${backstay.url}/account/update?alias=stolen`, { credentials: "include", mode: "no-cors" });
    await page.goto(`${backstay.url}/account/update?alias=stolen`);
    expect(JSON.parse((await page.textContent("body")) ?? "")).toMatchObject({ status: expect.any(Number) });
    const { account } = await ada.client.accounts.getAccount({ id: "me" });
    expect(account?.alias).not.toBe("stolen");
  });
});
