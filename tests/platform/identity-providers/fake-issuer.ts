import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Claims = Record<string, unknown>;

/** An issuer that says whatever a test wants it to, right or wrong. Its codes are the PKCE challenges it was sent. */
export interface FakeIssuer {
  readonly url: string;
  /** How often each path was asked. */
  readonly asked: Map<string, number>;
  /** How the last exchange proved its client. */
  readonly proof: () => { authorization: string | undefined; body: URLSearchParams };
  /** What the next tokens say, besides what is right: an undefined claim is left out. */
  claims: Claims;
  /** What its description says besides. */
  description: Claims;
  userInfo: Claims | undefined;
  /** Makes the next id tokens; the right way when undefined. */
  token: ((claims: Claims) => string) | undefined;
  /** Answers in the place of a path. */
  readonly instead: Map<string, (req: IncomingMessage, res: ServerResponse) => void>;
  /** Signs with another key from now on, which it publishes. */
  rotate(): void;
  stop(): Promise<void>;
}

export const CLIENT = { clientId: "harbour", clientSecret: "a client's secret: with / and +" };

export async function startIssuer(): Promise<FakeIssuer> {
  const asked = new Map<string, number>();
  let key = newKey();
  let proof: { authorization: string | undefined; body: URLSearchParams };
  const json = (res: ServerResponse, value: unknown, status = 200) =>
    res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));

  const paths: Record<string, (req: IncomingMessage, res: ServerResponse) => Promise<void> | void> = {
    "/.well-known/openid-configuration": (_, res) => {
      json(res, {
        issuer: issuer.url,
        authorization_endpoint: `${issuer.url}/authorize`,
        token_endpoint: `${issuer.url}/token`,
        jwks_uri: `${issuer.url}/keys`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        ...issuer.description,
      });
    },
    "/keys": (_, res) => {
      json(res, { keys: [key.public] });
    },
    "/token": async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk);
      const body = new URLSearchParams(Buffer.concat(chunks).toString());
      proof = { authorization: req.headers.authorization, body };
      const verifier = createHash("sha256")
        .update(body.get("code_verifier") ?? "")
        .digest("base64url");
      const [challenge, nonce] = (body.get("code") ?? "").split(".");
      if (verifier !== challenge) return void json(res, { error: "invalid_grant" }, 400);
      const now = Math.floor(Date.now() / 1000);
      const said = {
        iss: issuer.url,
        aud: CLIENT.clientId,
        sub: "ada",
        nonce,
        iat: now,
        exp: now + 60,
        ...issuer.claims,
      };
      const claims = JSON.parse(JSON.stringify(said)) as Claims;
      const idToken = issuer.token?.(claims) ?? rightToken(claims, key);
      json(res, { access_token: "bs-test-access", token_type: "Bearer", id_token: idToken });
    },
    "/userinfo": (_, res) => {
      json(res, issuer.userInfo);
    },
  };
  const server = createServer((req, res) => {
    const path = req.url!.split("?", 1)[0]!;
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const answer = issuer.instead.get(path) ?? paths[path];
    if (answer === undefined) res.writeHead(404).end();
    else void answer(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const issuer: FakeIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    proof: () => proof,
    claims: {},
    description: {},
    userInfo: undefined,
    token: undefined,
    instead: new Map(),
    rotate() {
      key = newKey();
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return issuer;
}

/** What the issuer's page would send a browser back with. */
export function codeFor(url: string): string {
  const { searchParams } = new URL(url);
  return `${searchParams.get("code_challenge")}.${searchParams.get("nonce")}`;
}

interface Key {
  readonly kid: string;
  readonly private: KeyObject;
  readonly public: object;
}

export function newKey(kid: string = randomUUID()): Key {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = publicKey.export({ format: "jwk" });
  return { kid, private: privateKey, public: { ...jwk, kid, use: "sig", alg: "RS256" } };
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An id token as it should be. */
export function rightToken(claims: Claims, key: Key): string {
  const text = `${part({ alg: "RS256", kid: key.kid })}.${part(claims)}`;
  return `${text}.${sign("sha256", Buffer.from(text), key.private).toString("base64url")}`;
}

/** One that nobody signed. */
export function unsignedToken(claims: Claims): string {
  return `${part({ alg: "none" })}.${part(claims)}.`;
}

/** One that is signed with what the client knows too. */
export function secretToken(claims: Claims): string {
  const text = `${part({ alg: "HS256" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", CLIENT.clientSecret).update(text).digest("base64url")}`;
}
