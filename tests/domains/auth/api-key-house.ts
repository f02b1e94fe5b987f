import { createHash, createHmac, randomBytes } from "node:crypto";
import type { TestBackstay } from "../../support/backstay.js";
import { type Reply, request } from "../../support/http-request.js";
import { curl, operatorToken } from "../support.js";

/** A key as it was made. */
export interface MadeKey {
  id: string;
  key: string;
}

/** Makes a key with a token. */
export async function makeKey(on: TestBackstay, token: string, input: object = { scopes: ["*"] }): Promise<MadeKey> {
  const made = await curl<{ apiKey: { id: string }; key: string }>(
    on,
    "auth.v1.AuthService/CreateApiKey",
    { name: "a key", ...input },
    token,
  );
  return { id: made.apiKey.id, key: made.key };
}

/** Makes an administrator and answers its token. */
export async function signUpAdmin(on: TestBackstay): Promise<string> {
  const made = { login: "admin@example.com", secret: "secret of the admin" };
  await curl(
    on,
    "accounts.v1.AccountService/CreateAccount",
    { ...made, name: "A", roles: ["admin"] },
    operatorToken(on),
  );
  const { tokens } = await curl<{ tokens: { accessToken: string } }>(on, "auth.v1.AuthService/SignIn", made);
  return tokens.accessToken;
}

/** A request that is to be signed with a key. */
export interface ToSign {
  method?: string;
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** Seconds since 1970; now when absent. */
  created?: number;
  expires?: number;
  nonce?: string;
  /** What is not to be covered although it is there. */
  without?: string[];
}

/** The headers of a request with its signature, made from the description and not by our own code. */
export function signWithKey({ id, key }: MadeKey, request: ToSign): Record<string, string> {
  const { method = "GET", url: text, headers = {}, body = "", without = [] } = request;
  const url = new URL(text);
  const all: Record<string, string> = { ...headers };
  if (body !== "" || method !== "GET") {
    all["content-digest"] = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
  }
  const query = url.search
    .slice(1)
    .split("&")
    .map((pair) => [pair.split("=")[0]!, pair] as const)
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([, pair]) => pair)
    .join("&");
  const lines = [
    ["@method", method],
    ["@authority", url.host],
    ["@path", url.pathname],
    ...(query ? [["@query", `?${query}`]] : []),
    ...Object.entries(all),
  ].filter(([name]) => !without.includes(name!));
  const { created = Math.floor(Date.now() / 1000), expires, nonce = randomBytes(16).toString("hex") } = request;
  const ends = expires === undefined ? "" : `;expires=${expires}`;
  const names = lines.map(([name]) => `"${name}"`).join(" ");
  const params = `(${names});created=${created}${ends};keyid="${id}";nonce="${nonce}";alg="hmac-sha256"`;
  const base = [...lines, ["@signature-params", params]].map(([name, value]) => `"${name}": ${value}`).join("\n");
  const mac = createHmac("sha256", key).update(base).digest("base64");
  return { ...all, "signature-input": `app=${params}`, signature: `app=:${mac}:` };
}

/** Sends a request signed with a key; `change` is what is done to it on the way. */
export function sendSigned(
  by: MadeKey,
  toSign: ToSign,
  change: { method?: string; url?: string; body?: string; headers?: Record<string, string | undefined> } = {},
): Promise<Reply> {
  const { method = "GET", url, body } = { ...toSign, ...change };
  const headers = { ...signWithKey(by, toSign), ...change.headers };
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
  return request(url, { method, headers: sent as Record<string, string>, ...(body !== undefined && { body }) });
}
