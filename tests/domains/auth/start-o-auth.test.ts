import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { answered, localOrigin, pageCall } from "./passkey-house.js";
import { type ProviderHouse, start, startProviderHouse, Visitor } from "./provider-house.js";

let house: ProviderHouse;
beforeAll(async () => {
  house = await startProviderHouse({ "cors.origins": "https://app.example.com" }, { development: false });
});
afterAll(() => house.stop());

const begin = (body: object, headers: Record<string, string> = {}) =>
  pageCall(house.backstay, "StartOAuth", { provider: "acme", ...body }, headers);

/** The part of a flow's id that its cookie is named by. */
const beginningOf = (url: string) => new URL(url).searchParams.get("state")!.slice(0, 16);

it("answers the provider's page, and a token that does not stand in it", async () => {
  const { url, flowToken, expireTime } = answered(await begin({}));
  const { origin, pathname, searchParams } = new URL(url);
  expect([origin, pathname]).toEqual([house.issuer, "/auth"]);
  expect(searchParams.get("redirect_uri")).toBe(`${localOrigin(house.backstay)}/auth/callback/acme`);
  expect(searchParams.get("code_challenge_method")).toBe("S256");
  expect(flowToken).toMatch(/^bs_ft_[\w-]{43}$/);
  expect(url).not.toContain(flowToken);
  expect(Date.parse(expireTime) - Date.now()).toBeGreaterThan(9 * 60_000);
});

it("asks with another state, nonce and challenge each time", async () => {
  const [one, two] = [answered(await begin({})), answered(await begin({}))];
  for (const name of ["state", "nonce", "code_challenge"]) {
    expect(new URL(one.url).searchParams.get(name)).not.toBe(new URL(two.url).searchParams.get(name));
  }
});

it("gives the browser the token as a cookie when its return is to sign it in, guarded as the session is", async () => {
  const { reply, flowToken, url } = await start(house, { cookie: true });
  const name = `backstay_flow_${beginningOf(url)}_dev`;
  expect(reply.cookies).toEqual([`${name}=${flowToken}; Max-Age=600; Path=/; HttpOnly; SameSite=Lax`]);
  expect((await begin({})).cookies).toEqual([]);
});

it("gives each tab of a browser its own, and takes the oldest back from whoever has begun more than five", async () => {
  const visitor = new Visitor();
  const names: string[] = [];
  for (let n = 0; n < 5; n++) {
    const { reply, url } = await start(house, { cookie: true }, visitor);
    expect(reply.cookies).toHaveLength(1);
    names.push(`backstay_flow_${beginningOf(url)}_dev`);
  }
  const { reply, url } = await start(house, { cookie: true }, visitor);
  expect(reply.cookies).toContain(`${names[0]}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax`);
  const held = visitor.cookies(localOrigin(house.backstay)).match(/backstay_flow_[0-9a-f]{16}_dev/g);
  expect(held).toEqual([...names.slice(1), `backstay_flow_${beginningOf(url)}_dev`]);
});

it("takes no other cookie back, whatever its name is", async () => {
  const others = ["backstay_flow_dev", "backstay_flow_x_dev", "backstay_flow_0123456789ABCDEF_dev", "flow", "a_flow_b"];
  const cookie = [...others, ...others].map((name, n) => `${name}${n}=1; ${name}=2`).join("; ");
  expect((await begin({ cookie: true }, { cookie })).cookies).toHaveLength(1);
});

it("gives no such cookie to a browser that another site, or a link, has sent", async () => {
  const reply = await begin({ cookie: true }, { origin: "https://evil.example" });
  expect([reply.reason, reply.cookies]).toEqual(["CROSS_SITE", []]);
});

describe("the page to return to", () => {
  it.each(["", "/", "/app?tab=1#top", "https://app.example.com/", "https://app.example.com/in?x=1"])(
    "may be of this server, or of an origin that is let in: %j",
    async (redirectTo) => {
      expect((await begin({ redirectTo })).status).toBe(200);
    },
  );

  it.each([
    "https://evil.example/",
    "https://app.example.com.evil.example/",
    "https://app.example.com@evil.example/",
    "https://user:password@app.example.com/",
    "http://app.example.com/",
    "https://app.example.com:444/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\/evil.example/",
    "/\t/evil.example/",
    "\t//evil.example/",
    " //evil.example/",
    "/ /evil.example",
    "/\r\nset-cookie: a=b",
    "/\u0085x",
    "https:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "app",
    "./app",
    "?x",
    "#x",
    "null",
  ])("may not be elsewhere: %j", async (redirectTo) => {
    const reply = await begin({ redirectTo });
    expect([reply.reason, reply.status]).toEqual(["INVALID_REDIRECT", 400]);
  });
});

it("knows the providers of the configuration alone", async () => {
  for (const provider of ["other", "acme2", "__proto__", "../acme"]) {
    expect((await begin({ provider })).reason).toBe("PROVIDER_NOT_FOUND");
  }
});

it("is refused where the server does not know its address", async () => {
  const elsewhere = await begin({}, { host: "app.example.com", origin: "http://app.example.com" });
  expect(elsewhere.reason).toBe("PUBLIC_URL_MISSING");
  const body = { provider: "acme" };
  const here = await connectJson(house.backstay.url, "auth.v1.AuthService/StartOAuth", body);
  expect(new URL(answered(here).url).searchParams.get("redirect_uri")).toMatch(/^http:\/\/127\.0\.0\.1:/);
});

it("leads back to `public_url` where that is set, with a cookie that only this host can have set", async () => {
  const away = await startProviderHouse({ public_url: "https://api.example.com" });
  const body = { provider: "acme", redirectTo: "/app", cookie: true };
  const reply = await pageCall(away.backstay, "StartOAuth", body);
  const { url, flowToken } = answered(reply);
  expect(new URL(url).searchParams.get("redirect_uri")).toBe("https://api.example.com/auth/callback/acme");
  const name = `__Host-backstay_flow_${beginningOf(url)}`;
  expect(reply.cookies).toEqual([`${name}=${flowToken}; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax`]);
  await away.stop();
});

it("is refused without any provider", async () => {
  const backstay = await startBackstay();
  expect((await pageCall(backstay, "StartOAuth", { provider: "acme" })).reason).toBe("PROVIDER_NOT_FOUND");
  await backstay.stop();
});

it("starts the server, and answers at once, while a provider is away", async () => {
  const away = await startProviderHouse();
  await away.stopProvider();
  expect((await pageCall(away.backstay, "StartOAuth", { provider: "acme" })).reason).toBe("PROVIDER_UNAVAILABLE");
  await away.restart();
  expect((await pageCall(away.backstay, "StartOAuth", { provider: "acme" })).status).toBe(200);
  await away.stop();
});
