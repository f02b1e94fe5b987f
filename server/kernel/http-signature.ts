import { DomainError } from "./errors.js";
import { type SignableRequest, signatureBase, signatureMac, sortedByName } from "./http-signature-base.js";
import {
  incomplete,
  parseContentDigest,
  parseSignatureBytes,
  parseSignatureInput,
  type SignatureInput,
} from "./http-signature-fields.js";
import { sameBytes, sha256 } from "./instance-key.js";

/** A request's HTTP message signature (RFC 9421, in the profile of docs/signatures.md), read and not yet checked. */
export interface HttpSignature extends SignatureInput {
  readonly request: SignableRequest;
  readonly bytes: Buffer;
}

/** How far a signature may be from the clock, and how long it may be valid, in seconds. */
export const WINDOW_SECONDS = 300;

/** What every signature covers. */
const ALWAYS = ["@method", "@authority", "@path"];

/** What it covers of these headers, when they are there. */
const WHEN_SENT = ["content-type", "idempotency-key"];

/**
 * Reads the headers `signature-input` and `signature`. Throws MALFORMED_SIGNATURE, SIGNATURE_VERSION, and
 * SIGNATURE_INCOMPLETE, naming it, when something is not covered that can be told without the body.
 */
export function readHttpSignature(request: SignableRequest): HttpSignature {
  const input = parseSignatureInput(headerOf(request, "signature-input") ?? "");
  const bytes = parseSignatureBytes(headerOf(request, "signature") ?? "", input.label);
  const needed = [...ALWAYS, ...WHEN_SENT.filter((name) => headerOf(request, name) !== undefined)];
  if (request.query !== "") needed.push("@query");
  if (request.method !== "GET" && request.method !== "HEAD") needed.push("content-digest");
  checkCovers(input, needed);
  return { ...input, request, bytes };
}

/**
 * Throws SIGNATURE_WINDOW when it asks to be valid for too long, and SIGNATURE_TIME, with the server's time, when it was made
 * too far from `now`, in milliseconds, or is over.
 */
export function checkHttpTime({ created, expires }: SignatureInput, now: number): void {
  if (expires !== undefined && expires - created > WINDOW_SECONDS) throw new DomainError("SIGNATURE_WINDOW");
  const isFar = Math.abs(now - created * 1000) > WINDOW_SECONDS * 1000;
  const isOver = expires !== undefined && expires * 1000 <= now;
  if (!isFar && !isOver) return;
  const metadata = { serverTime: new Date(now).toISOString() };
  throw new DomainError("SIGNATURE_TIME", isFar ? undefined : "The signature's own end has passed.", { metadata });
}

/**
 * Throws DIGEST_MISMATCH when the body is not the one of the header `content-digest`, and SIGNATURE_INCOMPLETE when that is
 * not covered and the body is not empty.
 */
export function checkHttpBody(signature: HttpSignature, body: Uint8Array): void {
  if (body.length > 0) checkCovers(signature, ["content-digest"]);
  if (!signature.components.includes("content-digest")) return;
  const header = headerOf(signature.request, "content-digest");
  if (header === undefined) throw incomplete("The signature covers content-digest, which the request does not have.");
  if (!sameBytes(parseContentDigest(header), sha256(body))) {
    throw new DomainError("DIGEST_MISMATCH", "The body is not the one of the header content-digest.");
  }
}

/** Whether the signature is the one that `key` makes of the request, with the query as it is or sorted by name. */
export function isMadeWith(key: string | Uint8Array, signature: HttpSignature): boolean {
  const { request, components, text, bytes } = signature;
  const isRight = (one: SignableRequest) => sameBytes(signatureMac(key, signatureBase(one, components, text)), bytes);
  const right = isRight(request);
  const query = sortedByName(request.query);
  return right || (query !== request.query && isRight({ ...request, query }));
}

function checkCovers({ components }: SignatureInput, needed: readonly string[]): void {
  const missing = needed.filter((name) => !components.includes(name));
  if (missing.length > 0) throw incomplete(`The signature must cover ${missing.join(", ")}.`);
}

function headerOf({ headers }: SignableRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" || value === undefined ? value : value.join(", ");
}
