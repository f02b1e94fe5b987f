import { createHash, createHmac } from "node:crypto";
import { DomainError } from "./errors.js";
import { sameBytes } from "./instance-key.js";

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

/** A call with its signature. */
export interface SignedCall {
  readonly signature: Signature;
  readonly request: SignedRequest;
  /** As it was sent; empty where the signature does not cover it. */
  readonly body: Uint8Array;
  /** Whether its signature may be used but once, since the call changes something, or opens what may. */
  readonly once: boolean;
}

/** One version of the scheme: its hash, and the lines that are signed. */
interface Version {
  readonly hash: "sha256";
  lines(signature: Signature, request: SignedRequest, body: Uint8Array): string[];
}

/** The versions this server takes. */
const VERSIONS: Readonly<Record<string, Version>> = {
  4: {
    hash: "sha256",
    lines: (signature, request, body) => [
      "4",
      signature.tag,
      signature.login,
      request.method,
      hostName(request.host),
      request.path,
      sortedQuery(isForm(request) ? Buffer.from(body).toString("utf8") : request.query),
      signature.expires,
      request.contentType.toLowerCase(),
      signature.checksum,
    ],
  },
};

const EXPIRES = /^[0-9]{1,15}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a line feed in a field would make two of one signed line.
const CONTROL = /[\x00-\x1f\x7f]/;

/** Reads a signature's text. Throws MALFORMED_SIGNATURE, SIGNATURE_VERSION. */
export function parseSignature(text: string): Signature {
  const [version = "", tag = "", login = "", digest = "", expires = "", checksum = "", ...more] = text.split("|");
  // The real code takes whatever follows the sixth pipe, and needs that pipe.
  const whole = more.length > 0 && login !== "" && digest !== "";
  if (!whole || CONTROL.test(text)) throw new DomainError("MALFORMED_SIGNATURE");
  if (!Object.hasOwn(VERSIONS, version)) throw new DomainError("SIGNATURE_VERSION");
  if (!EXPIRES.test(expires) || Number(expires) === 0) {
    throw new DomainError("MALFORMED_SIGNATURE", "The signature's expiry is not a number of milliseconds since 1970.");
  }
  return { version, tag, login, digest, expires, checksum };
}

/** Whether the signature cannot be judged before the body is there. */
export function coversBody(signature: Signature, request: SignedRequest): boolean {
  return signature.checksum !== "" || isForm(request);
}

/** The text that is signed: every line ends with a line feed, the last one too. */
export function canonicalString(signature: Signature, request: SignedRequest, body: Uint8Array): string {
  const { lines } = VERSIONS[signature.version]!;
  return lines(signature, request, body)
    .map((line) => `${line}\n`)
    .join("");
}

/** Whether the signature is the one that `secret` makes of this request. */
export function isSignedWith(secret: string, signature: Signature, request: SignedRequest, body: Uint8Array): boolean {
  const canonical = canonicalString(signature, request, body);
  const digest = createHmac(VERSIONS[signature.version]!.hash, secret).update(canonical).digest("base64");
  return sameBytes(Buffer.from(digest), Buffer.from(signature.digest));
}

/** Throws CHECKSUM_MISMATCH when a checksum was signed and the body is another. */
export function checkBody(signature: Signature, body: Uint8Array): void {
  if (signature.checksum === "") return;
  const checksum = createHash("sha1").update(body).digest("base64");
  if (checksum !== signature.checksum) throw new DomainError("CHECKSUM_MISMATCH");
}

/** Throws SIGNATURE_EXPIRED when the signature's time is over at `now`, in milliseconds. */
export function checkExpiry(signature: Signature, now: number): void {
  if (Number(signature.expires) < now) throw new DomainError("SIGNATURE_EXPIRED");
}

/** A form's fields stand where a URL's parameters would, so they are signed in that place. */
export function isForm({ method, contentType }: SignedRequest): boolean {
  const [type = ""] = contentType.split(";", 1);
  return method !== "GET" && method !== "HEAD" && type.trim().toLowerCase() === "application/x-www-form-urlencoded";
}

/** Without its port, in lower case. */
function hostName(host: string): string {
  const name = host.startsWith("[") ? host.slice(0, host.indexOf("]") + 1) : host.split(":", 1)[0]!;
  return name.toLowerCase();
}

/** Sorted by code unit as they were sent, `name=value` as a whole; empty pieces are no parameters. */
function sortedQuery(query: string): string {
  return query
    .split("&")
    .filter((piece) => piece !== "")
    .sort()
    .join("&");
}
