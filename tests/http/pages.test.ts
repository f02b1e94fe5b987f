import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { startBrowser } from "../support/browser.js";

const PICTURES = new URL("../../.cache/pictures/", import.meta.url).pathname;

let backstay: TestBackstay;
let browser: Browser;
beforeAll(async () => {
  mkdirSync(PICTURES, { recursive: true });
  [backstay, browser] = await Promise.all([startBackstay(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await backstay?.stop();
});

/** A page that notes what the browser complains of. */
async function open(path: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(backstay.url + path);
  return { page, complaints };
}

it("says on its first page what it is, with commands for this very address", async () => {
  const { page, complaints } = await open("/");
  expect(await page.title()).toBe("Backstay");
  expect(await page.locator("#who").textContent()).toContain(`${backstay.url}/v1/auth/current`);
  await page.screenshot({ path: `${PICTURES}start.png` });
  expect(complaints).toEqual([]);
});

it("makes the first administrator from the setup link, once, by keyboard alone", async () => {
  const link = new URL(backstay.setupUrl!);
  const { page, complaints } = await open(link.pathname + link.hash);
  expect(page.url()).not.toContain("bs_st_");
  await page.locator("#login").focus();
  for (const text of ["root", "Root", "a long secret"]) {
    await page.keyboard.type(text);
    await page.keyboard.press("Tab");
  }
  await page.screenshot({ path: `${PICTURES}setup.png` });
  await page.keyboard.press("Enter");
  await page.getByText("root is an administrator now").waitFor();
  expect(complaints).toEqual([]);

  const { roles } = await backstay
    .anonymous()
    .auth.signIn({ login: "root", secret: "a long secret" })
    .then(({ account }) => account!);
  expect(roles).toEqual(["admin"]);

  const again = await open(link.pathname + link.hash);
  await again.page.locator("#login").fill("root2");
  await again.page.locator("#name").fill("Root");
  await again.page.locator("#secret").fill("a long secret");
  await again.page.getByRole("button").click();
  await expect.poll(() => again.page.getByRole("alert").textContent()).toContain("token is unknown");
});

it("lets a page of another loopback origin call, and no other", async () => {
  const preflight = (origin: string) =>
    fetch(`${backstay.url}/backstay.system.v1.SystemService/Ping`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    }).then((response) => response.headers.get("access-control-allow-origin"));
  expect(await preflight("http://localhost:5173")).toBe("http://localhost:5173");
  expect(await preflight("https://evil.example")).toBeNull();
  expect(await preflight("null")).toBeNull();

  const app = createServer((_, res) => res.setHeader("content-type", "text/html").end("<p>app"));
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(app.address() as AddressInfo).port}/`);
  const answer = await page.evaluate(async (url) => {
    const response = await fetch(`${url}/backstay.system.v1.SystemService/Ping`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      body: "{}",
    });
    return { status: response.status, requestId: response.headers.get("x-request-id") };
  }, backstay.url);
  app.close();
  app.closeAllConnections();
  expect(answer).toEqual({ status: 200, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
});
