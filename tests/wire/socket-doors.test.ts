import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { startBrowser } from "../support/browser.js";

let backstay: TestBackstay;
let listed: TestBackstay;
let browser: Browser;
let elsewhere: Server;
let origin: string;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  elsewhere = createServer((_, res) => res.setHeader("content-type", "text/html").end("<title>elsewhere</title>"));
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  [backstay, listed, browser] = await Promise.all([
    startBackstay({ "limits.rate": "off" }, { development: false }),
    startBackstay({ "cors.origins": origin, "limits.rate": "off" }, { development: false }),
    startBrowser(),
  ]);
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(async () => {
  await browser?.close();
  elsewhere?.close();
  await Promise.all([backstay?.stop(), listed?.stop()]);
});

async function pageAt(url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  return page;
}

/** Opens a page of the server's own, and signs in there with a cookie. */
async function signedInPage(): Promise<Page> {
  const page = await pageAt(`${backstay.url}/setup`);
  const status = await page.evaluate(
    async (body) => {
      const headers = { "content-type": "application/json" };
      return (await fetch("/v1/auth/sign-in", { method: "POST", headers, body })).status;
    },
    JSON.stringify({ login: ada.login, secret: ada.secret, cookie: true }),
  );
  expect(status).toBe(200);
  return page;
}

/** What a page hears when it opens a socket and sends some frames: the answers, or how it was closed. */
const socketIn = (page: Page, url: string, protocols: string[], frames: string[]) =>
  page.evaluate(
    ([to, spoken, sent]) =>
      new Promise<{ protocol: string; answers: Record<string, unknown>[] } | { closed: number }>((resolve) => {
        const socket = new WebSocket(to, spoken);
        const answers: Record<string, unknown>[] = [];
        socket.onopen = () => {
          for (const frame of sent) socket.send(frame);
        };
        socket.onmessage = ({ data }) => {
          if (answers.push(JSON.parse(data)) < sent.length) return;
          resolve({ protocol: socket.protocol, answers });
          socket.close();
        };
        socket.onclose = ({ code }) => resolve({ closed: code });
      }),
    [`${url.replace("http", "ws")}/ws`, protocols, frames] as const,
  );

describe("a page of the server's own", () => {
  it("has a socket by its session cookie, and by a token that it names as a sub-protocol", async () => {
    const page = await signedInPage();
    const frames = ["/v1/auth/current", '{"op":"nothing-here","id":"1"}'];
    expect(await socketIn(page, backstay.url, [], frames)).toMatchObject({
      protocol: "",
      answers: [
        { op: "/v1/auth/current", status: 200, via: "cookie", account: { id: ada.id } },
        { op: "nothing-here", id: "1", status: 501 },
      ],
    });
    // A token is the more certain of the two.
    expect(await socketIn(page, backstay.url, ["backstay.v1", `bearer.${ben.token}`], frames)).toMatchObject({
      protocol: "backstay.v1",
      answers: [{ status: 200, via: "token", account: { id: ben.id } }, {}],
    });
    expect(await socketIn(page, backstay.url, ["backstay.v1", "bearer.no"], frames)).toEqual({ closed: 1006 });
  });

  it("follows its events by a socket and by an EventSource at once, and both say the same", async () => {
    const page = await signedInPage();
    await page.evaluate(() => {
      const bySocket: string[] = [];
      const byStream: string[] = [];
      let standing = 0;
      const hear = (heard: string[], { ready, event }: { ready?: object; event?: { id: string } }) => {
        if (ready !== undefined) standing += 1;
        if (event !== undefined) heard.push(event.id);
      };
      const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`, ["backstay.v1"]);
      socket.onopen = () => socket.send('{"op":"subscribe","types":["message.add"]}');
      socket.onmessage = ({ data }) => hear(bySocket, JSON.parse(data));
      const source = new EventSource("/v1/events:subscribe?types=message.add");
      source.onmessage = ({ data }) => hear(byStream, JSON.parse(data));
      Object.assign(window, { told: () => ({ standing, bySocket, byStream }) });
    });
    type Told = { told(): { standing: number; bySocket: string[]; byStream: string[] } };
    const told = () => page.evaluate(() => (window as never as Told).told());
    await expect.poll(async () => (await told()).standing, { timeout: 5_000 }).toBe(2);
    const texts = Array.from({ length: 20 }, (_, n) => `number ${n}`);
    for (const text of texts) await ben.client.messages.sendMessage({ recipientId: ada.id, text });
    await expect.poll(async () => (await told()).bySocket.length, { timeout: 5_000 }).toBe(20);
    await expect.poll(async () => (await told()).byStream.length, { timeout: 5_000 }).toBe(20);
    const { bySocket, byStream } = await told();
    expect(bySocket).toEqual(byStream);
  });
});

describe("a page of another origin", () => {
  it("opens no socket, whatever it sends, and one where it is listed", async () => {
    const page = await pageAt(origin);
    expect(await socketIn(page, backstay.url, [], ["/v1/ping"])).toEqual({ closed: 1006 });
    const protocols = ["backstay.v1", `bearer.${ada.token}`];
    expect(await socketIn(page, backstay.url, protocols, ["/v1/ping"])).toEqual({ closed: 1006 });
    expect(await socketIn(page, listed.url, [], ["/v1/ping"])).toMatchObject({
      answers: [{ op: "/v1/ping", status: 200 }],
    });
  });
});
