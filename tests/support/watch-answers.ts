import { afterEach } from "vitest";

// Every answer that any test gets by fetch (so by the SDK, REST, Connect and gRPC-Web) is read for what must not be in it.

/** Never in any answer: hashes, and the secrets that our tests sign up with. */
const NEVER = /\$argon2|secret of person/;
/** Only in the answer that issues it. */
const TOKEN = /bs_(at|rt|st|op)_[A-Za-z0-9_-]{20,}/;
const ISSUES = /SignIn|Refresh|sign-in|refresh/;
const STREAMS = /event-stream|ndjson|connect\+|grpc/;

const found: string[] = [];
const realFetch = globalThis.fetch;

globalThis.fetch = async (input, init) => {
  const response = await realFetch(input, init);
  const url = input instanceof Request ? input.url : String(input);
  if (!STREAMS.test(response.headers.get("content-type") ?? "")) void inspect(url, response.clone());
  return response;
};

async function inspect(url: string, response: Response): Promise<void> {
  const text = Buffer.from(await response.arrayBuffer().catch(() => new ArrayBuffer())).toString("latin1");
  const { pathname } = new URL(url);
  if (NEVER.test(text)) found.push(`a secret or hash in an answer of ${pathname}`);
  if (TOKEN.test(text) && !(response.ok && ISSUES.test(pathname))) found.push(`a token in an answer of ${pathname}`);
}

afterEach(() => {
  const first = found.shift();
  if (first !== undefined) throw new Error(first);
});
