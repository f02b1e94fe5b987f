import { createHash } from "node:crypto";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { declaredHooks } from "../../server/kernel/hooks.js";
import { knownBy } from "../domains/auth/cookies.js";
import { auditOf, localOrigin } from "../domains/auth/passkey-house.js";
import { type ProviderHouse, start, startProviderHouse, Visitor } from "../domains/auth/provider-house.js";
import { openDatabase } from "../domains/support.js";
import { startBackstay } from "../support/backstay.js";
import { startBrowser } from "../support/browser.js";
import { request } from "../support/http-request.js";

let house: ProviderHouse;
let origin: string;
beforeAll(async () => {
  house = await startProviderHouse({ "cors.origins": "https://app.example.com" });
  origin = localOrigin(house.backstay);
});
afterAll(() => house.stop());

/** Signs in at the provider, and answers where it sends the browser back to. */
async function comingBack(who: string, body: object = {}) {
  const begun = await start(house, body);
  return { ...begun, back: await begun.visitor.signInAt(begun.url, who) };
}

const known = (visitor: Visitor) =>
  knownBy(house.backstay.url, { cookie: visitor.cookies(origin), host: new URL(origin).host });
const errorOf = (location: string | undefined) => new URL(location!).searchParams.get("error");

describe("a browser that is to be signed in by its return", () => {
  it("is, by a cookie, and goes on to the page it was meant for, whose URL has nothing of it", async () => {
    const { visitor, back } = await comingBack("ada", { cookie: true, redirectTo: "/app?tab=1#top" });
    const reply = await visitor.visit(back);
    expect([reply.status, reply.headers.location]).toEqual([303, `${origin}/app?tab=1#top`]);
    expect(await known(visitor)).toMatch(/ by cookie$/);
    expect(reply.headers).toMatchObject({ "referrer-policy": "no-referrer", "cache-control": "no-store" });
    expect(visitor.cookies(origin)).not.toContain("flow");
  });

  it.each([
    ["in the order they were begun", (tabs: string[]) => tabs],
    ["in the reverse", (tabs: string[]) => tabs.toReversed()],
  ])("is by each of two tabs that began at once, %s", async (_, order) => {
    const visitor = new Visitor();
    const first = await start(house, { cookie: true, redirectTo: "/first" }, visitor);
    const second = await start(house, { cookie: true, redirectTo: "/second" }, visitor);
    const backs = [await visitor.signInAt(first.url, "ada"), await visitor.signInAt(second.url, "ada")];
    const places: (string | undefined)[] = [];
    for (const back of order(backs)) {
      places.push((await visitor.visit(back)).headers.location);
      expect(await known(visitor)).toMatch(/ by cookie$/);
    }
    expect(places).toEqual(order([`${origin}/first`, `${origin}/second`]));
    expect(visitor.cookies(origin)).not.toContain("flow");
  });

  it("may be on its way to a page of another origin that is let in", async () => {
    const { visitor, back } = await comingBack("ada", { cookie: true, redirectTo: "https://app.example.com/in" });
    expect((await visitor.visit(back)).headers.location).toBe("https://app.example.com/in");
  });

  it("is not signed in as somebody else whose link it follows: it holds no token of that flow", async () => {
    const { back } = await comingBack("mallory", { cookie: true, redirectTo: "/app" });
    const [stranger, another] = [new Visitor(), (await start(house, { cookie: true })).visitor];
    for (const victim of [stranger, another]) {
      const before = victim.cookies(origin);
      const reply = await victim.visit(back);
      expect([reply.status, errorOf(reply.headers.location), reply.cookies]).toEqual([303, "CHALLENGE_GONE", []]);
      expect(victim.cookies(origin)).toBe(before);
    }
  });

  it("is signed in once by a return: whoever finds its URL later has nothing of it", async () => {
    const { visitor, back } = await comingBack("ada", { cookie: true, redirectTo: "/app" });
    const copy = visitor.cookies(origin);
    expect((await visitor.visit(back)).status).toBe(303);
    const again = await request(back, { headers: { host: new URL(origin).host, cookie: copy } });
    expect([again.status, again.cookies]).toEqual([400, []]);
    expect(again.headers["content-type"]).toBe("text/html; charset=utf-8");
  });

  it("is told why it was not, by a word alone", async () => {
    const first = await comingBack("banned", { cookie: true });
    await first.visitor.visit(first.back);
    const id = (await known(first.visitor)).split(" ")[0]!;
    const sql = openDatabase(house.backstay);
    await sql`update backstay.accounts set status = 'banned' where id = ${id}::uuid`;
    const { visitor, back } = await comingBack("banned", { cookie: true, redirectTo: "/app?code=7&error=x&tab=1" });
    const reply = await visitor.visit(back);
    expect(reply.headers.location).toBe(`${origin}/app?tab=1&error=ACCOUNT_BANNED`);
    expect(await auditOf(house.backstay, "sign_in.failed", id)).toHaveLength(1);
  });
});

describe("a browser whose page signs it in", () => {
  it("takes code and state there, and no cookie", async () => {
    const { visitor, back } = await comingBack("ada", { redirectTo: "https://app.example.com/in?tab=1" });
    const reply = await visitor.visit(back);
    const { searchParams } = new URL(back);
    const location = new URL(reply.headers.location!);
    expect(location.origin + location.pathname).toBe("https://app.example.com/in");
    expect(Object.fromEntries(location.searchParams)).toEqual({
      tab: "1",
      code: searchParams.get("code"),
      state: searchParams.get("state"),
    });
    expect([reply.status, reply.cookies]).toEqual([303, []]);
  });
});

describe.each([true, false])("a return that is not as it should be (cookie: %s)", (cookie) => {
  it("tells the page when the provider refused, and not in whose words", async () => {
    const { visitor, back } = await comingBack("", { cookie, redirectTo: "/app" });
    expect(new URL(back).searchParams.get("error")).toBe("access_denied");
    expect((await visitor.visit(back)).headers.location).toBe(`${origin}/app?error=PROVIDER_REFUSED`);
  });

  it.each<[string, (url: URL) => void]>([
    ["no code", (url) => url.searchParams.delete("code")],
    ["another issuer's name", (url) => url.searchParams.set("iss", "https://evil.example")],
    ["an error beside the code", (url) => url.searchParams.set("error", "server_error")],
  ])("is refused with %s", async (_, change) => {
    const { visitor, back } = await comingBack("ada", { cookie, redirectTo: "/app" });
    const url = new URL(back);
    change(url);
    const reply = await visitor.visit(url.href);
    expect([errorOf(reply.headers.location), reply.cookies]).toEqual(["PROVIDER_REFUSED", []]);
  });

  it.each<[string, (url: URL) => void]>([
    ["of no flow", (url) => url.searchParams.set("state", "nonsense")],
    ["without a state", (url) => url.searchParams.delete("state")],
    ["with a state that was changed", (url) => url.searchParams.set("state", `${url.searchParams.get("state")}x`)],
    ["at the page of another provider", (url) => Object.assign(url, { pathname: "/auth/callback/other" })],
  ])("leads nowhere %s", async (_, change) => {
    const { visitor, back } = await comingBack("ada", { cookie, redirectTo: "/app" });
    const url = new URL(back);
    change(url);
    const reply = await visitor.visit(url.href);
    expect([reply.status, reply.headers.location, reply.cookies]).toEqual([400, undefined, []]);
    expect(reply.headers["content-security-policy"]).toContain("default-src 'none'");
  });
});

it("is asked by GET alone", async () => {
  const reply = await request(`${house.backstay.url}/auth/callback/acme?code=x&state=y`, { method: "POST" });
  expect([reply.status, reply.headers.allow]).toEqual([405, "GET"]);
});

it("is a GET to the app's hooks, as it was the browser's", async () => {
  const asked: string[] = [];
  const hooks = declaredHooks();
  for (const method of ["GET", "POST"]) {
    hooks.declare("beforeAuth", { method, path: "/auth/callback/*" }, ({ httpMethod, path }) => {
      asked.push(`${method}: ${httpMethod} ${path}`);
    });
  }
  const hooked = await startProviderHouse({}, { overrides: { hooks } });
  const { visitor, url } = await start(hooked, { cookie: true, redirectTo: "/app" });
  expect((await visitor.visit(await visitor.signInAt(url, "ada"))).status).toBe(303);
  expect(asked).toEqual(["GET: GET /auth/callback/acme"]);
  await hooked.stop();
});

it("counts as a call of FinishOAuth, so that it is limited and logged as one", async () => {
  const limited = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "1" });
  const statuses: number[] = [];
  for (let n = 0; n < 40; n++) {
    statuses.push((await request(`${limited.url}/auth/callback/acme?code=x&state=y`)).status);
  }
  expect([statuses[0], statuses.at(-1)]).toEqual([400, 429]);
  await limited.stop();
});

it("leaves neither code, state nor token in the log", async () => {
  const { visitor, back, flowToken } = await comingBack("logged", { cookie: true });
  await visitor.visit(back);
  const { searchParams } = new URL(back);
  const log = house.backstay.log();
  expect(log).toContain('"method":"backstay.auth.v1.AuthService/FinishOAuth"');
  for (const secret of [searchParams.get("code")!, searchParams.get("state")!, flowToken]) {
    expect(log).not.toContain(secret);
  }
});

it("keeps neither verifier, nonce nor token where the database shows them", async () => {
  const { url, flowToken } = await start(house, {});
  const { searchParams } = new URL(url);
  const sql = openDatabase(house.backstay);
  const id = searchParams.get("state")!.slice(0, 32);
  const [row] = await sql`select * from backstay.auth_challenges where id = ${id}::uuid`;
  const text = [row!.data_sealed, row!.token_hash].map((bytes: Buffer) => bytes.toString("latin1")).join();
  for (const secret of [searchParams.get("nonce")!, flowToken, "verifier"]) expect(text).not.toContain(secret);
  expect(row!.token_hash).toEqual(createHash("sha256").update(flowToken).digest());
});

describe("Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  it("goes from a page of this server to the provider and back, signed in by a cookie", async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/`);
    await page.evaluate(async () => {
      const response = await fetch("/backstay.auth.v1.AuthService/StartOAuth", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ provider: "acme", redirectTo: "/?signed=in", cookie: true }),
      });
      location.href = (await response.json()).url;
    });
    await page.locator("input[name=who]").fill("chromium");
    await page.getByRole("button").click();
    await page.waitForURL(`${origin}/?signed=in`);
    const current = await page.evaluate(async () => {
      const response = await fetch("/v1/auth/current");
      return response.json();
    });
    expect(current).toMatchObject({ account: { name: "Name of chromium" }, via: "cookie" });
    const cookies = await page.context().cookies(origin);
    expect(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite])).toEqual([
      ["backstay_dev", true, "Lax"],
    ]);
    await page.close();
  });
});
