import { BackstayError } from "./backstay-error.js";
import { randomKey } from "./random-key.js";
import { requestHeaders } from "./request-headers.js";
import { sortedByName } from "./sign-query.js";

/** An API key that signs: it is never sent itself. */
export interface ApiKey {
  /** Its id, which CreateApiKey answers as `apiKey.id`. */
  readonly id: string;
  /** The key, `bs_ak_...`. */
  readonly key: string;
}

/** A request that is about to be sent. */
export interface RequestToSign {
  /** `GET` when absent. */
  readonly method?: string | undefined;
  /** Where to, as fetch is given it. */
  readonly url: string | URL;
  /** All that is sent; of these `content-type` and `idempotency-key` are signed. */
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly body?: string | Uint8Array | null | undefined;
}

const COVERED = ["content-type", "idempotency-key"];

/** What is no id may be the key, by mistake, which is never sent. */
const ID = /^[0-9a-f-]{32,36}$/i;

const encoder = new TextEncoder();

/**
 * Signs one request with an API key and answers the headers to add to it, which are good for this request alone, and for 5
 * minutes. Send exactly what was signed: the same method, URL, content type and body.
 * Rejects with `NO_WEB_CRYPTO` where there is none, as on a page that came by plain http from another machine.
 *
 * ```ts
 * const url = "https://api.example.com/v1/messages?pageSize=10";
 * const response = await fetch(url, { headers: await signRequest({ url }, { id, key }) });
 * ```
 */
export async function signRequest(request: RequestToSign, apiKey: ApiKey): Promise<Record<string, string>> {
  if (!ID.test(apiKey.id)) throw malformedId();
  const url = new URL(request.url, globalThis.location?.href);
  const method = (request.method ?? "GET").toUpperCase();
  const sent = requestHeaders(request.headers, undefined);
  const body = typeof request.body === "string" ? encoder.encode(request.body) : (request.body ?? new Uint8Array());

  const added: Record<string, string> = {};
  const lines: [string, string][] = [
    ["@method", method],
    ["@authority", url.host],
    ["@path", url.pathname],
  ];
  const query = url.search.slice(1);
  if (query !== "") lines.push(["@query", `?${sortedByName(query)}`]);
  if (body.length > 0 || (method !== "GET" && method !== "HEAD")) {
    added["content-digest"] = `sha-256=:${base64(await subtle().digest("SHA-256", bytesOf(body)))}:`;
    lines.push(["content-digest", added["content-digest"]]);
  }
  for (const name of COVERED) {
    const value = sent.get(name);
    if (value !== null) lines.push([name, value]);
  }

  const components = lines.map(([name]) => `"${name}"`).join(" ");
  const created = Math.floor(Date.now() / 1000);
  const parameters = `(${components});created=${created};keyid="${apiKey.id}";nonce="${randomKey()}";alg="hmac-sha256"`;
  const base = [...lines, ["@signature-params", parameters]].map(([name, value]) => `"${name}": ${value}`).join("\n");
  const mac = await subtle().sign("HMAC", await hmacKey(apiKey.key), encoder.encode(base));
  added["signature-input"] = `sig=${parameters}`;
  added.signature = `sig=:${base64(mac)}:`;
  return added;
}

function malformedId(): BackstayError {
  return new BackstayError("the id of the API key is malformed", { code: "invalid_argument" });
}

function hmacKey(key: string): Promise<CryptoKey> {
  return subtle().importKey("raw", encoder.encode(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

function subtle(): SubtleCrypto {
  const found = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (found !== undefined) return found;
  throw new BackstayError("requests can be signed on https and localhost only: there is no Web Crypto here", {
    code: "failed_precondition",
    reason: "NO_WEB_CRYPTO",
  });
}

/** A view of shared memory is copied: Web Crypto takes none. */
function bytesOf(body: Uint8Array): Uint8Array<ArrayBuffer> {
  return body.buffer instanceof ArrayBuffer ? (body as Uint8Array<ArrayBuffer>) : new Uint8Array(body);
}

function base64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
