import type { Signature, SignedRequest } from "./signature.js";
import { domainOf, hostName } from "./signature-host.js";

/** The two forms of the scheme: that of the predecessor's 1.x, and that of its release 0.9.3. */
export type Dialect = "1.x" | "0.9.3";

/** Where in a request a signature stands: a header, the URL, a cookie, or where access tokens do. */
export type Carrier = "header" | "query" | "session" | "access-token";

/** One version of the scheme. */
interface Version {
  readonly hash: "sha1" | "sha256";
  /** By what it may come: one that was made for a cookie proves nothing elsewhere. */
  readonly carriers: readonly Carrier[];
  /** Whether it is of whatever is asked of a domain, and of no single request. */
  readonly wide: boolean;
  /** What is signed, line by line. */
  lines(signature: Signature, request: SignedRequest): string[];
}

const inRequest: readonly Carrier[] = ["header", "query"];

const VERSIONS: Readonly<Record<Dialect, Readonly<Record<string, Version>>>> = {
  "1.x": {
    1: { hash: "sha1", carriers: [...inRequest, "session"], wide: false, lines: requestLines },
    2: { hash: "sha256", carriers: ["session"], wide: true, lines: named(domainLines) },
    3: { hash: "sha256", carriers: ["access-token"], wide: true, lines: named(domainLines) },
    4: { hash: "sha256", carriers: inRequest, wide: false, lines: named(requestLines) },
  },
  "0.9.3": {
    1: { hash: "sha1", carriers: inRequest, wide: false, lines: requestLines },
    2: { hash: "sha1", carriers: ["session"], wide: true, lines: domainLines },
    3: { hash: "sha256", carriers: inRequest, wide: false, lines: requestLines },
  },
};

/** The version of a signature; undefined when its dialect has none of that name, or none that may come so. */
export function versionOf({ dialect, version, carrier }: Pick<Signature, "dialect" | "version" | "carrier">) {
  const versions = VERSIONS[dialect];
  const found = Object.hasOwn(versions, version) ? versions[version] : undefined;
  return found?.carriers.includes(carrier) ? found : undefined;
}

/** Characters of a SHA-1 in base64. */
const SHA1_LENGTH = 28;

/**
 * Whose signature a request brings. The dialects give the version 3 to different carriers, and in cookies their version 2 is
 * told by the length of its digest; whatever is in both is the later one's.
 */
export function dialectOf(sent: Pick<Signature, "version" | "carrier" | "digest">): Dialect {
  const { version, carrier, digest } = sent;
  const older = version === "3" ? inRequest.includes(carrier) : version === "2" && digest.length === SHA1_LENGTH;
  return older ? "0.9.3" : "1.x";
}

function requestLines({ expires, checksum }: Signature, request: SignedRequest): string[] {
  const { method, host, path, query, contentType } = request;
  return [method, hostName(host), path, sortedQuery(query), expires, contentType.toLowerCase(), checksum];
}

function domainLines({ expires }: Signature, { host }: SignedRequest): string[] {
  return ["*", domainOf(host), "/", "*", expires, "*", "*"];
}

/** The lines with what keeps a signature from being passed off as another version, tag or login. */
function named(lines: Version["lines"]): Version["lines"] {
  return (signature, request) => {
    const { version, tag, login } = signature;
    return [version, tag, login, ...lines(signature, request)];
  };
}

/** Sorted by code unit as they were sent, `name=value` as a whole; empty pieces are no parameters. */
function sortedQuery(query: string): string {
  return query
    .split("&")
    .filter((piece) => piece !== "")
    .sort()
    .join("&");
}
