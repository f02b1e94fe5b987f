import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Adapter, type AdapterPayload, Provider } from "oidc-provider";
import type { Overrides } from "../../../server/app.js";
import type { SettingName } from "../../../server/config.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type Reply, request } from "../../support/http-request.js";
import { localOrigin, pageCall } from "./passkey-house.js";

const CLIENT_SECRET = "the provider's word for this client";

/** What the provider says of somebody; everybody else has a name alone. */
type People = Record<string, { email?: string; email_verified?: boolean; name?: string }>;

/** A Backstay, and a real OpenID Connect provider that it knows as `acme`. */
export interface ProviderHouse {
  readonly backstay: TestBackstay;
  readonly issuer: string;
  readonly people: People;
  /** Ends the provider, and starts it again at the same place with other keys. */
  restart(): Promise<void>;
  stopProvider(): Promise<void>;
  stop(): Promise<void>;
}

export async function startProviderHouse(
  settings: Partial<Record<SettingName, string>> = {},
  options: { trustEmail?: boolean; overrides?: Overrides; development?: boolean } = {},
): Promise<ProviderHouse> {
  const { trustEmail = false, ...started } = options;
  const home = mkdtempSync(join(tmpdir(), "backstay-home-"));
  const people: People = {};
  const server = createServer((req, res) => listener(req, res));
  let listener: RequestListener = (_, res) => res.writeHead(503).end();
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const entry = { name: "acme", issuer, clientId: "harbour", clientSecret: CLIENT_SECRET, trustEmail };
  writeFileSync(join(home, "backstay.config.json"), JSON.stringify({ oidc: [entry] }));
  const backstay = await startBackstay({ ...settings, home }, started);

  const kept = new Map<string, AdapterPayload>();
  const serve = () => {
    listener = providerListener(issuer, backstay, people, kept);
  };
  const stopProvider = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  serve();
  return {
    backstay,
    issuer,
    people,
    stopProvider,
    async restart() {
      await stopProvider();
      serve();
      await listen(port);
    },
    async stop() {
      await backstay.stop();
      await stopProvider();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The provider's pages: one asks who is there, and sends the browser back. What is `kept` outlives it. */
function providerListener(
  issuer: string,
  backstay: TestBackstay,
  people: People,
  kept: Map<string, AdapterPayload>,
): RequestListener {
  const { port } = new URL(backstay.url);
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "harbour",
        client_secret: CLIENT_SECRET,
        redirect_uris: [`http://localhost:${port}/auth/callback/acme`, `http://127.0.0.1:${port}/auth/callback/acme`],
      },
    ],
    adapter: (model) => keeping(model, kept),
    jwks: { keys: [newKey()] },
    cookies: { keys: ["of this provider"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `Name of ${id}`, ...people[id] }) }),
    ttl: { AccessToken: 600, AuthorizationCode: 600, IdToken: 600, Interaction: 600, Grant: 600, Session: 600 },
  });
  const answer = provider.callback();
  return async (req, res) => {
    if (!req.url?.startsWith("/interaction/")) return answer(req, res);
    if (req.method === "GET") {
      res.setHeader("content-type", "text/html");
      res.end('<form method="post"><input name="who" autofocus><button>Sign in</button></form>');
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const who = new URLSearchParams(Buffer.concat(chunks).toString()).get("who") ?? "";
    const denied = { error: "access_denied", error_description: "she would rather not" };
    const grant = new provider.Grant({ accountId: who, clientId: "harbour" });
    grant.addOIDCScope("openid email profile");
    const result = who === "" ? denied : { login: { accountId: who }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
  };
}

/** Keeps what a provider has to remember, its codes among it. */
function keeping(model: string, kept: Map<string, AdapterPayload>): Adapter {
  const key = (id: string) => `${model}/${id}`;
  const find = (test: (payload: AdapterPayload) => boolean) =>
    [...kept].find(([name, payload]) => name.startsWith(`${model}/`) && test(payload))?.[1];
  return {
    upsert: async (id, payload) => void kept.set(key(id), payload),
    find: async (id) => kept.get(key(id)),
    findByUid: async (uid) => find((payload) => payload.uid === uid),
    findByUserCode: async (userCode) => find((payload) => payload.userCode === userCode),
    consume: async (id) => {
      kept.get(key(id))!.consumed = Math.floor(Date.now() / 1000);
    },
    destroy: async (id) => void kept.delete(key(id)),
    revokeByGrantId: async (grantId) => {
      for (const [name, payload] of kept) if (payload.grantId === grantId) kept.delete(name);
    },
  };
}

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomBytes(8).toString("hex"), use: "sig", alg: "RS256" };
}

/** A browser as far as this needs one: it follows redirects and keeps what it is given, each server's by itself. */
export class Visitor {
  readonly #jars = new Map<string, Map<string, string>>();

  /** The cookies it would send. */
  cookies(url: string): string {
    return [...(this.#jars.get(new URL(url).host) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** Keeps the cookies of an answer. */
  keep(url: string, { cookies }: Pick<Reply, "cookies">): void {
    const { host } = new URL(url);
    const jar = this.#jars.get(host) ?? new Map<string, string>();
    this.#jars.set(host, jar);
    for (const cookie of cookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(cookie)) jar.delete(name!);
      else jar.set(name!, value!);
    }
  }

  /** One request, as a browser that was sent there by another site makes it. */
  async visit(url: string, body?: string): Promise<Reply> {
    const { host } = new URL(url);
    const headers: Record<string, string> = {
      host,
      "user-agent": "Mozilla/5.0",
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
      "upgrade-insecure-requests": "1",
      referer: "http://127.0.0.1/provider",
    };
    const cookie = this.cookies(url);
    if (cookie !== "") headers.cookie = cookie;
    if (body !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
    const reply = await request(url, { headers, ...(body !== undefined && { body }) });
    this.keep(url, reply);
    return reply;
  }

  /** Follows redirects from a provider's page, says there who it is, and answers where it is sent back to. */
  async signInAt(url: string, who: string): Promise<string> {
    const until = /\/auth\/callback\//;
    let at = url;
    for (let hops = 0; hops < 10; hops++) {
      const body = /\/interaction\//.test(at) ? `who=${encodeURIComponent(who)}` : undefined;
      const reply = await this.visit(at, body);
      const { location } = reply.headers;
      if (location === undefined) throw new Error(`${at} answered ${reply.status} and leads nowhere`);
      at = new URL(location, at).href;
      if (until.test(at)) return at;
    }
    throw new Error("the provider sends the browser round in circles");
  }
}

/** Begins as a page of this server does, for a visitor who keeps the cookies. */
export async function start(house: ProviderHouse, body: object = {}, visitor = new Visitor()) {
  const origin = localOrigin(house.backstay);
  const cookie = visitor.cookies(origin);
  const headers: Record<string, string> = cookie === "" ? {} : { cookie };
  const reply = await pageCall(house.backstay, "StartOAuth", { provider: "acme", ...body }, headers);
  if (reply.status !== 200) throw new Error(`refused: ${reply.reason}`);
  visitor.keep(origin, reply);
  return { visitor, url: reply.json.url as string, flowToken: reply.json.flowToken as string, reply };
}

/** What an app finishes with, after somebody has signed in at the provider. */
export async function returned(house: ProviderHouse, who: string) {
  const { visitor, url, flowToken } = await start(house, { redirectTo: "/app" });
  const back = await visitor.visit(await visitor.signInAt(url, who));
  const { searchParams } = new URL(back.headers.location!);
  return { provider: "acme", code: searchParams.get("code")!, state: searchParams.get("state")!, flowToken };
}

/** Signs in at the provider as an app does. */
export async function signInAt(house: ProviderHouse, who: string, body: object = {}): Promise<Reply> {
  return pageCall(house.backstay, "FinishOAuth", { ...(await returned(house, who)), ...body });
}
