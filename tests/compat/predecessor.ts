import type { TestBackstay } from "../support/backstay.js";
import { sign } from "../support/sign.js";

/** Who signs: an account as the predecessor's clients know it. */
export interface Signer {
  id: string;
  login: string;
  secret: string;
}

export interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  json: any;
}

let last = 0;

/** Signs a request. No two signatures are the same, as no client makes two requests in the same millisecond. */
export function signature(
  signer: Pick<Signer, "login" | "secret">,
  request: { method: string; url: string; contentType?: string; body?: string },
): string {
  last = Math.max(last + 1, Date.now() + 60_000);
  return sign({ login: signer.login, secret: signer.secret, ...request, expires: last });
}

/** Gets one of the predecessor's URLs, signed when there is a signer. */
export async function get(backstay: TestBackstay, path: string, signer?: Signer, headers: object = {}): Promise<Reply> {
  const url = backstay.url + path;
  const signed = signer && { "bk-signature": signature(signer, { method: "GET", url }) };
  return replyOf(await fetch(url, { headers: { ...signed, ...headers } }));
}

/** Posts a form, JSON, or whatever else is given with its type. */
export async function post(
  backstay: TestBackstay,
  path: string,
  body: URLSearchParams | FormData | object | string,
  signer?: Signer,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const url = backstay.url + path;
  const form = body instanceof URLSearchParams ? body.toString() : undefined;
  const plain = body instanceof FormData ? body : (form ?? (typeof body === "string" ? body : JSON.stringify(body)));
  const type = form === undefined ? "application/json" : "application/x-www-form-urlencoded";
  const sent: Record<string, string> = { ...(typeof body === "object" && { "content-type": type }), ...headers };
  if (body instanceof FormData) delete sent["content-type"];
  else if (signer !== undefined) {
    const contentType = sent["content-type"] ?? "text/plain;charset=UTF-8";
    const signed = { method: "POST", url, contentType, ...(form !== undefined && { body: form }) };
    sent["bk-signature"] = signature(signer, signed);
  }
  return replyOf(await fetch(url, { method: "POST", body: plain, headers: sent }));
}

async function replyOf(response: Response): Promise<Reply> {
  return { status: response.status, headers: response.headers, json: await response.json() };
}

let people = 0;

/** An account made as the predecessor's manual makes one. */
export async function addAccount(backstay: TestBackstay, name = "Test User"): Promise<Signer> {
  const login = `test${people++}@test.com`;
  const secret = `secret of ${login}`;
  const { status, json } = await post(backstay, "/account/add", new URLSearchParams({ name, login, secret }));
  if (status !== 200) throw new Error(`/account/add answered ${JSON.stringify(json)}`);
  return { id: json.id, login, secret };
}
