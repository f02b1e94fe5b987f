import { createHash, createHmac } from "node:crypto";
import { DomainError } from "./errors.js";
import type { HttpSignature } from "./http-signature.js";
import { sameBytes } from "./instance-key.js";
import { type Carrier, type Dialect, dialectOf, versionOf } from "./signature-versions.js";

export type { Carrier, Dialect } from "./signature-versions.js";

/** A signature as it was sent: `version|tag|login|digest|expires|checksum|`. */
export interface Signature {
  readonly version: string;
  readonly tag: string;
  readonly login: string;
  /** Base64 with its padding. */
  readonly digest: string;
  /** Milliseconds since 1970, in the digits that were signed. */
  readonly expires: string;
  /** Base64 of the body's SHA-1; empty when the body is not covered. */
  readonly checksum: string;
  /** By which part of the request it came. */
  readonly carrier: Carrier;
  /** In whose sense its version is one. */
  readonly dialect: Dialect;
}

/** What of a request a signature covers. Nothing is decoded: what was sent is what was signed. */
export interface SignedRequest {
  readonly method: string;
  /** As the header says it, with its port. */
  readonly host: string;
  readonly path: string;
  /** Without `?`, and without the signature itself. */
  readonly query: string;
  readonly contentType: string;
}

/** A call with the signature of it that is to be proved. */
export type SignedCall = {
  /** As it was sent; empty where the signature does not cover it. */
  readonly body: Uint8Array;
  /** Whether its signature may be used but once, since the call changes something, or opens what may. */
  readonly once: boolean;
  /** Where it came from. */
  readonly address: string;
} & (
  | { readonly by: "secret"; readonly signature: Signature; readonly request: SignedRequest }
  | { readonly by: "key"; readonly signature: HttpSignature }
);

const EXPIRES = /^[0-9]{1,15}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a line feed in a field would make two of one signed line.
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * Reads a signature's text. A request does not say its dialect: without one it is what version and carrier leave, see
 * `dialectOf`. Throws MALFORMED_SIGNATURE, and SIGNATURE_VERSION for a version that is none or may not come this way.
 */
export function parseSignature(text: string, carrier: Carrier, dialect?: Dialect): Signature {
  const [version = "", tag = "", login = "", digest = "", expires = "", checksum = "", ...more] = text.split("|");
  // The real code takes whatever follows the sixth pipe, and needs that pipe.
  const whole = more.length > 0 && login !== "" && digest !== "";
  if (!whole || CONTROL.test(text)) throw new DomainError("MALFORMED_SIGNATURE");
  const sent = { version, tag, login, digest, expires, checksum, carrier };
  const signature = { ...sent, dialect: dialect ?? dialectOf(sent) };
  if (versionOf(signature) === undefined) throw new DomainError("SIGNATURE_VERSION");
  if (!EXPIRES.test(expires) || Number(expires) === 0) {
    throw new DomainError("MALFORMED_SIGNATURE", "The signature's expiry is not a number of milliseconds since 1970.");
  }
  return signature;
}

/** Whether the signature cannot be judged before the body is there. */
export function coversBody(signature: Signature, request: SignedRequest): boolean {
  return signature.checksum !== "" || coversForm(signature, request);
}

/** Whether the request is a form, whose fields are signed in the place of its URL's parameters. */
export function coversForm(signature: Signature, request: SignedRequest): boolean {
  return !isWide(signature) && isForm(request);
}

/** Whether it is the signature of whatever is asked of a domain, and of no single request. */
export function isWide(signature: Signature): boolean {
  return versionOf(signature)!.wide;
}

/** Whether it was made with SHA-1. */
export function isWeak(signature: Signature): boolean {
  return versionOf(signature)!.hash === "sha1";
}

/** The text that is signed: every line ends with a line feed, the last one too. */
export function canonicalString(signature: Signature, request: SignedRequest, body: Uint8Array): string {
  const query = coversForm(signature, request) ? Buffer.from(body).toString("utf8") : request.query;
  return versionOf(signature)!
    .lines(signature, { ...request, query })
    .map((line) => `${line}\n`)
    .join("");
}

/** Whether the signature is the one that `secret` makes of this request. */
export function isSignedWith(secret: string, signature: Signature, request: SignedRequest, body: Uint8Array): boolean {
  const canonical = canonicalString(signature, request, body);
  const digest = createHmac(versionOf(signature)!.hash, secret).update(canonical).digest("base64");
  return sameBytes(Buffer.from(digest), Buffer.from(signature.digest));
}

/** Throws CHECKSUM_MISMATCH when a checksum came with the signature and the body is another. */
export function checkBody(signature: Signature, body: Uint8Array): void {
  if (signature.checksum === "") return;
  const checksum = createHash("sha1").update(body).digest("base64");
  if (checksum !== signature.checksum) throw new DomainError("CHECKSUM_MISMATCH");
}

/** Throws SIGNATURE_EXPIRED when the signature's time is over at `now`, in milliseconds; in 0.9.3 it is at its last one. */
export function checkExpiry({ expires, dialect }: Signature, now: number): void {
  const left = Number(expires) - now;
  if (left < 0 || (left === 0 && dialect === "0.9.3")) throw new DomainError("SIGNATURE_EXPIRED");
}

function isForm({ method, contentType }: SignedRequest): boolean {
  const [type = ""] = contentType.split(";", 1);
  return method !== "GET" && method !== "HEAD" && type.trim().toLowerCase() === "application/x-www-form-urlencoded";
}
