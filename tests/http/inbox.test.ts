import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { setEmail } from "../domains/auth/mailed.js";
import { curl } from "../domains/support.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { startBrowser } from "../support/browser.js";
import { request } from "../support/http-request.js";
import { startSmtp } from "../support/smtp.js";

const NAME = `<script>document.title = "taken"</script><img src=x onerror="document.title = 'taken'">`;

let backstay: TestBackstay;
let browser: Browser;
beforeAll(async () => {
  [backstay, browser] = await Promise.all([startBackstay({ "app.name": NAME.slice(0, 64) }), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await backstay?.stop();
});

async function mail(email: string): Promise<void> {
  const { token } = await backstay.signUp();
  await setEmail(backstay, { token }, email);
  await curl(backstay, "auth.v1.AuthService/RequestVerification", {}, token);
}

const status = async (url: string, headers: Record<string, string> = {}) =>
  (await request(`${url}/inbox`, { headers })).status;

it("shows mails as they come, newest first, as text and nothing else", async () => {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
  page.on("request", (sent) => sent.url() !== `${backstay.url}/inbox` && complaints.push(sent.url()));
  await page.goto(`${backstay.url}/inbox`);
  await page.getByText("No mail yet.").waitFor();
  await mail("first@example.com");
  const shown = async () => (await fetch(`${backstay.url}/inbox`)).text();
  await expect.poll(shown, { timeout: 10_000 }).toContain("to first@example.com");
  await mail("second@example.com");
  // The page asks again by itself.
  await page.getByText("to first@example.com").waitFor({ timeout: 15_000 });
  await page.getByText("to second@example.com").waitFor({ timeout: 15_000 });
  const articles = await page.locator("article").allTextContents();
  expect(articles).toHaveLength(2);
  expect(articles[0]).toContain("second@example.com");
  expect(articles[0]).toContain(NAME.slice(0, 64));
  expect(articles[0]).toMatch(/\d{4} \d{4}/);
  expect(await page.title()).toBe("Inbox · Backstay");
  expect(await page.locator("main script, main img").count()).toBe(0);
  expect(complaints).toEqual([]);
});

it("lets nothing be loaded, run, framed or kept", async () => {
  const { headers } = await request(`${backstay.url}/inbox`);
  expect(headers["content-security-policy"]).toBe(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  expect(headers).toMatchObject({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
});

it("is there for this machine alone: not by a name that leads here, nor by a proxy, nor for a page of another origin", async () => {
  expect(await status(backstay.url)).toBe(200);
  expect(await status(backstay.url, { host: "rebound.example" })).toBe(404);
  expect(await status(backstay.url, { "x-forwarded-for": "203.0.113.7" })).toBe(404);
  expect(await status(backstay.url, { origin: "http://localhost:5173" })).toBe(404);
  expect((await request(`${backstay.url}/inbox`, { method: "POST", body: "" })).status).not.toBe(200);
});

it("is not there in serve, nor where mails are sent", async () => {
  const smtp = await startSmtp();
  const [serve, sending] = await Promise.all([
    startBackstay({}, { development: false }),
    startBackstay({ "mail.smtp_url": smtp.url }),
  ]);
  expect(await status(serve.url)).toBe(404);
  expect(await status(sending.url)).toBe(404);
  await Promise.all([serve.stop(), sending.stop()]);
  await smtp.stop();
});

it("is empty after a restart", async () => {
  const home = mkdtempSync(join(tmpdir(), "backstay-home-"));
  const first = await startBackstay({ home });
  const { token } = await first.signUp();
  await setEmail(first, { token }, "ada@example.com");
  await curl(first, "auth.v1.AuthService/RequestVerification", {}, token);
  const text = async (url: string) => (await fetch(`${url}/inbox`)).text();
  await expect.poll(() => text(first.url)).toContain("ada@example.com");
  await first.stop();
  const second = await startBackstay({ home });
  expect(await text(second.url)).toContain("No mail yet.");
  await second.stop();
  rmSync(home, { recursive: true, force: true });
});
