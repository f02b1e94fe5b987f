import { createHmac } from "node:crypto";
import { incomplete } from "./http-signature-fields.js";

/** What of a request a signature may cover. Nothing is decoded: what was sent is what was signed. */
export interface SignableRequest {
  readonly method: string;
  /** The host as it was sent, with its port. */
  readonly authority: string;
  readonly path: string;
  /** Without `?`. */
  readonly query: string;
  /** By their names in lower case, as they were sent; several of one name are a list. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

const DERIVED: Readonly<Record<string, (request: SignableRequest) => string>> = {
  "@method": ({ method }) => method,
  // Whether the client spoke TLS is not known behind a proxy, so the usual port of either is as none.
  "@authority": ({ authority }) => authority.toLowerCase().replace(/:(80|443)$/, ""),
  "@path": ({ path }) => path || "/",
  "@query": ({ query }) => `?${query}`,
};

/**
 * The text that is signed (RFC 9421, 2.5): a line for each component, and the list of them with its parameters, as
 * `signature-input` has it, at the end. Throws SIGNATURE_INCOMPLETE, naming it, when a component is not in the request.
 */
export function signatureBase(request: SignableRequest, components: readonly string[], text: string): string {
  const lines = components.map((name) => `"${name}": ${componentOf(request, name)}`);
  return [...lines, `"@signature-params": ${text}`].join("\n");
}

/** HMAC-SHA-256 of a signature base. Headers are bytes, and Node shows them as Latin-1. */
export function signatureMac(key: string | Uint8Array, base: string): Buffer {
  return createHmac("sha256", key).update(base, "latin1").digest();
}

/**
 * A query with its pairs sorted by name, and those of one name in the order they had: what a proxy may make of it without a
 * change of what it means.
 */
export function sortedByName(query: string): string {
  const pairs = query.split("&").map((pair) => ({ pair, name: pair.split("=", 1)[0]! }));
  return pairs
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
    .map(({ pair }) => pair)
    .join("&");
}

function componentOf(request: SignableRequest, name: string): string {
  if (name.startsWith("@")) {
    const derive = Object.hasOwn(DERIVED, name) ? DERIVED[name] : undefined;
    if (derive === undefined)
      throw incomplete(`Of a request ${Object.keys(DERIVED).join(", ")} and headers are signed, not ${name}.`);
    return derive(request);
  }
  const value = Object.hasOwn(request.headers, name) ? request.headers[name] : undefined;
  if (value === undefined) throw incomplete(`The signature covers ${name}, which the request does not have.`);
  return (typeof value === "string" ? [value] : value).map((one) => one.trim()).join(", ");
}
