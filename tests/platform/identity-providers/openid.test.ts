import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IdentityProvider } from "../../../server/kernel/identity-provider.js";
import type { IdentityProviders } from "../../../server/platform/identity-providers/identity-providers.js";
import { openIdProviders } from "../../../server/platform/identity-providers/openid.js";
import type { Log } from "../../../server/platform/log.js";
import {
  CLIENT,
  codeFor,
  type FakeIssuer,
  newKey,
  rightToken,
  secretToken,
  startIssuer,
  unsignedToken,
} from "./fake-issuer.js";

const redirectUri = "https://app.example.com/auth/callback/acme";
const DESCRIPTION = "/.well-known/openid-configuration";

let issuer: FakeIssuer;
let logged: string[];
beforeEach(async () => {
  issuer = await startIssuer();
  logged = [];
});
afterEach(() => issuer.stop());

function providersWith(said: Partial<IdentityProvider> = {}, patience?: number): IdentityProviders {
  const provider = {
    name: "acme",
    issuer: issuer.url,
    ...CLIENT,
    scopes: "openid email profile",
    trustEmail: false,
    ...said,
  };
  const line = (facts: object, text: string) => logged.push(`${text} ${JSON.stringify(facts)}`);
  const log = { info: line, warn: line, error: line, debug: line } as unknown as Log;
  return openIdProviders({ providers: [provider], log, ...(patience !== undefined && { patience }) });
}

/** A whole sign-in, as far as the server does it. */
async function signIn(providers = providersWith()) {
  const { url, kept } = await providers.authorize("acme", { redirectUri, state: "the state" });
  return providers.exchange("acme", { redirectUri, code: codeFor(url), state: "the state", kept });
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "done",
    ({ reason }: { reason: string }) => reason,
  );

it("sends the browser to the provider's page by the code flow with PKCE, state and nonce", async () => {
  const { url, kept } = await providersWith().authorize("acme", { redirectUri, state: "the state" });
  const { origin, pathname, searchParams } = new URL(url);
  expect(origin + pathname).toBe(`${issuer.url}/authorize`);
  expect(Object.fromEntries(searchParams)).toEqual({
    response_type: "code",
    client_id: "harbour",
    redirect_uri: redirectUri,
    scope: "openid email profile",
    state: "the state",
    nonce: kept.nonce,
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: "S256",
  });
  expect(url).not.toContain(kept.verifier);
});

it("trades the code for who came, with the verifier and the client's secret", async () => {
  issuer.claims = { sub: "ada-1", name: " Ada\u0007 ", email: "ada@example.com", email_verified: true };
  expect(await signIn()).toEqual({
    subject: "ada-1",
    issuer: issuer.url,
    name: "Ada",
    email: "ada@example.com",
    emailVerified: false,
  });
  const { authorization, body } = issuer.proof();
  const secret = encodeURIComponent(CLIENT.clientSecret).replaceAll("'", "%27").replaceAll("%20", "+");
  expect(Buffer.from(authorization!.slice(6), "base64").toString()).toBe(`harbour:${secret}`);
  expect(body.get("client_secret")).toBeNull();
  expect(body.get("redirect_uri")).toBe(redirectUri);
});

it("proves the client in the body where the provider takes nothing else, and not at all when it has no secret", async () => {
  issuer.description = { token_endpoint_auth_methods_supported: ["client_secret_post"] };
  await signIn();
  expect([issuer.proof().authorization, issuer.proof().body.get("client_secret")]).toEqual([
    undefined,
    CLIENT.clientSecret,
  ]);
  await signIn(providersWith({ clientSecret: undefined }));
  expect([issuer.proof().authorization, issuer.proof().body.get("client_secret")]).toEqual([undefined, null]);
  expect(issuer.proof().body.get("client_id")).toBe("harbour");
});

describe("what a provider says of an address", () => {
  const verified = async (claims: object, trustEmail: boolean) => {
    issuer.claims = { name: "Ada", ...claims };
    const { email, emailVerified } = await signIn(providersWith({ trustEmail }));
    return [email, emailVerified];
  };

  it("counts when it calls the address verified and is trusted with that", async () => {
    const said = { email: "ada@example.com", email_verified: true };
    expect(await verified(said, true)).toEqual(["ada@example.com", true]);
    expect(await verified(said, false)).toEqual(["ada@example.com", false]);
    expect(await verified({ ...said, email_verified: "true" }, true)).toEqual(["ada@example.com", false]);
    expect(await verified({ email: "ada@example.com" }, true)).toEqual(["ada@example.com", false]);
  });

  it.each(["no address", "a@b@c", `${"a".repeat(250)}@b.example`, "a b@c", "a\n@b", "", 7])(
    "is nothing when it is no address: %j",
    async (email) => {
      expect(await verified({ email, email_verified: true }, true)).toEqual([undefined, false]);
    },
  );
});

it("asks the second place where providers say who somebody is, when the first does not", async () => {
  issuer.description = { userinfo_endpoint: `${issuer.url}/userinfo` };
  issuer.userInfo = { sub: "ada", preferred_username: "ada_l", email: "ada@example.com" };
  expect(await signIn()).toMatchObject({ name: "ada_l", email: "ada@example.com" });
  issuer.userInfo = { sub: "mallory", name: "Ada" };
  expect(await reasonOf(signIn())).toBe("PROVIDER_REFUSED");
});

describe("an id token is refused", () => {
  it.each<[string, object]>([
    ["of another issuer", { iss: "https://evil.example" }],
    ["for another client", { aud: "somebody-else" }],
    ["for several clients, of which we are not the one it was made for", { aud: ["harbour", "b"], azp: "b" }],
    ["of another question", { nonce: "another" }],
    ["of no question", { nonce: undefined }],
    ["that is over", { exp: Math.floor(Date.now() / 1000) - 600 }],
    ["without an end", { exp: undefined }],
    ["of nobody", { sub: undefined }],
    ["of a name that cannot be kept", { sub: "x".repeat(1_000) }],
    ["of a name with a control character", { sub: "a\u0000b" }],
  ])("%s", async (_, claims) => {
    issuer.claims = { ...claims };
    expect(await reasonOf(signIn())).toBe("PROVIDER_REFUSED");
  });

  it.each<[string, (claims: Record<string, unknown>) => string]>([
    ["signed by a key that the provider does not publish", (claims) => rightToken(claims, newKey())],
    ["that nobody signed", unsignedToken],
    ["signed with the client's own secret", secretToken],
    ["that is none", () => "a.b.c"],
  ])("%s", async (_, token) => {
    issuer.token = token;
    expect(await reasonOf(signIn())).toBe("PROVIDER_REFUSED");
  });

  it("signed by another key in the name of the right one", async () => {
    const right = newKey("one");
    issuer.instead.set("/keys", (_, res) => {
      res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: [right.public] }));
    });
    issuer.token = (claims) => rightToken(claims, newKey("one"));
    expect(await reasonOf(signIn())).toBe("PROVIDER_REFUSED");
    issuer.token = (claims) => rightToken(claims, right);
    expect(await reasonOf(signIn())).toBe("done");
  });
});

it("refuses a code that was asked for with another verifier", async () => {
  const providers = providersWith();
  const one = await providers.authorize("acme", { redirectUri, state: "s" });
  const two = await providers.authorize("acme", { redirectUri, state: "s" });
  const exchange = providers.exchange("acme", { redirectUri, code: codeFor(one.url), state: "s", kept: two.kept });
  expect(await reasonOf(exchange)).toBe("PROVIDER_REFUSED");
});

it("refuses an answer that another issuer was to give", async () => {
  const providers = providersWith();
  const { url, kept } = await providers.authorize("acme", { redirectUri, state: "s" });
  const other = { ...kept, issuer: "https://other.example" };
  const exchange = providers.exchange("acme", { redirectUri, code: codeFor(url), state: "s", kept: other });
  expect(await reasonOf(exchange)).toBe("PROVIDER_REFUSED");
  expect(issuer.asked.get("/token")).toBeUndefined();
});

it("knows the provider's new keys at once", async () => {
  const providers = providersWith();
  await signIn(providers);
  const { url, kept } = await providers.authorize("acme", { redirectUri, state: "s" });
  issuer.rotate();
  const exchange = providers.exchange("acme", { redirectUri, code: codeFor(url), state: "s", kept });
  expect(await reasonOf(exchange)).toBe("done");
});

it("asks for the provider's description once, and again after a failure", async () => {
  const providers = providersWith();
  await Promise.all([signIn(providers), signIn(providers)]);
  await signIn(providers);
  expect(issuer.asked.get(DESCRIPTION)).toBe(1);
  issuer.instead.set("/token", (_, res) => res.writeHead(404).end());
  expect(await reasonOf(signIn(providers))).toBe("PROVIDER_REFUSED");
  issuer.instead.clear();
  await signIn(providers);
  expect(issuer.asked.get(DESCRIPTION)).toBe(2);
});

describe("a provider that cannot be asked", () => {
  it("is unavailable when nothing answers, and is asked again when it is back", async () => {
    const providers = providersWith();
    issuer.instead.set(DESCRIPTION, (req) => req.socket.destroy());
    expect(await reasonOf(signIn(providers))).toBe("PROVIDER_UNAVAILABLE");
    issuer.instead.clear();
    expect(await reasonOf(signIn(providers))).toBe("done");
  });

  it.each<[string, string, Parameters<FakeIssuer["instead"]["set"]>[1]]>([
    ["never answers", DESCRIPTION, () => {}],
    ["never answers when the code is traded", "/token", () => {}],
    ["never gives its keys", "/keys", () => {}],
    ["begins to answer and stops", "/token", (_, res) => res.writeHead(200).write("{")],
    ["fails", "/token", (_, res) => res.writeHead(503).end("{}")],
    ["talks without end", DESCRIPTION, (_, res) => res.writeHead(200).end(" ".repeat(2 << 20))],
  ])("is unavailable when it %s", async (_, path, answer) => {
    issuer.instead.set(path, answer);
    expect(await reasonOf(signIn(providersWith({}, 500)))).toBe("PROVIDER_UNAVAILABLE");
  });

  it("is refused when it describes another than itself", async () => {
    issuer.description = { issuer: "https://evil.example" };
    expect(await reasonOf(signIn())).toBe("PROVIDER_REFUSED");
  });

  it("is not one that there is not", async () => {
    expect(await reasonOf(providersWith().authorize("other", { redirectUri, state: "s" }))).toBe("PROVIDER_NOT_FOUND");
  });
});

it("tells the operator what failed, and nothing of what was said", async () => {
  issuer.claims = { nonce: "another" };
  await reasonOf(signIn());
  issuer.instead.set("/token", (_, res) => {
    const said = JSON.stringify({ error: "invalid_client", error_description: "secret of the client" });
    res.writeHead(401, { "content-type": "application/json" }).end(said);
  });
  await reasonOf(signIn());
  expect(logged).toEqual([
    expect.stringMatching(/^a provider refused .*"provider":"acme","why":"OAUTH_\w+"/),
    'a provider refused {"provider":"acme","why":"invalid_client"}',
  ]);
});
