import { afterEach } from "vitest";

// Every answer that any test gets by fetch (so by the SDK, REST, Connect and gRPC-Web) is read for what must not be in it.

/** Never in any answer: hashes, and the secrets that our tests sign up with. */
const NEVER = /\$argon2|secret of person|bs_ct_/;
/** Only in the answer that issues it. */
const TOKEN = /bs_(at|rt|st|op|ak|dt|ft)_[A-Za-z0-9_-]{20,}/;
const ISSUES = /SignIn|Refresh|FinishOAuth|StartOAuth|CreateApiKey|sign-in|refresh|anonymous|oauth\/|api-keys$/i;
const STREAMS = /event-stream|ndjson|connect\+|grpc/;

/** Cookies as they may be given, or taken back; and where. */
const COOKIES = [
  /^__Host-backstay=(bs_ct_[\w-]{43})?; Max-Age=\d+; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
  /^backstay_dev=(bs_ct_[\w-]{43})?; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/,
  /^__Host-backstay_(device|flow_[0-9a-f]{16})=(bs_[df]t_[\w-]+)?; Max-Age=\d+; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
  /^backstay_(device|flow_[0-9a-f]{16})_dev=(bs_[df]t_[\w-]+)?; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/,
];
const GIVES_COOKIE =
  /SignIn|OAuth|StartSession|SignOut|sign-in|sign-out|auth\/(session|anonymous|oauth|callback)|\/login|\/logout|_session/;

const found: string[] = [];
const realFetch = globalThis.fetch;

globalThis.fetch = async (input, init) => {
  const response = await realFetch(input, init);
  const url = input instanceof Request ? input.url : String(input);
  inspectCookies(url, response.headers.getSetCookie(), init?.body);
  if (!STREAMS.test(response.headers.get("content-type") ?? "")) void inspect(url, response.clone());
  return response;
};

async function inspect(url: string, response: Response): Promise<void> {
  const text = Buffer.from(await response.arrayBuffer().catch(() => new ArrayBuffer())).toString("latin1");
  const { pathname } = new URL(url);
  if (NEVER.test(text)) found.push(`a secret, hash or cookie in an answer of ${pathname}`);
  if (TOKEN.test(text) && !(response.ok && ISSUES.test(pathname))) found.push(`a token in an answer of ${pathname}`);
}

/** A session cookie stands in the answer that gives it and nowhere else, and never without its flags. */
function inspectCookies(url: string, cookies: string[], body: unknown): void {
  const asked = GIVES_COOKIE.test(url) || GIVES_COOKIE.test(typeof body === "string" ? body : "");
  if (cookies.length > 0 && !asked) found.push(`a cookie in an answer of ${new URL(url).pathname}`);
  if (!cookies.every((cookie) => COOKIES.some((form) => form.test(cookie))))
    found.push(`a weak cookie in an answer of ${url}`);
}

afterEach(() => {
  const first = found.shift();
  if (first !== undefined) throw new Error(first);
});
