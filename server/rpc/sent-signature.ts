import type { Carrier, SignedRequest } from "../kernel/signature.js";
import type { CallRequest } from "./call.js";
import { cookieOf } from "./cookie.js";
import { hostOf } from "./origins.js";
import { pathOf, queryOf } from "./url.js";

/** Whether a request's signature is the one in its header. Only a program sets that: a link or a form carries its URL. */
export function isSignedByHeader({ headers }: CallRequest, name: string): boolean {
  return typeof headers[name] === "string";
}

/**
 * The header, and query parameter, where a signature stands in the form of an access token: `bk-access-token` for
 * `bk-signature`, and so on for other names.
 */
export function accessTokenName(signatureName: string): string {
  return signatureName.endsWith("signature")
    ? signatureName.replace(/signature$/, "access-token")
    : `${signatureName}-access-token`;
}

/** A signature as text, and where it stood. */
export interface SentSignature {
  readonly carrier: Carrier;
  readonly text: string;
}

/** Finds the signature of requests: in the header of its name, the query parameter, as an access token, or in the cookie. */
export interface SignatureReader {
  /** The first of those that the request has. */
  sent(request: CallRequest): SentSignature | undefined;
  /** What a signature of this request covers. */
  signed(request: CallRequest): SignedRequest;
}

export function signatureReader(name: string): SignatureReader {
  const token = accessTokenName(name);
  const parameters = [
    { carrier: "query", prefix: `${name}=` },
    { carrier: "access-token", prefix: `${token}=` },
  ] as const;
  const isSignature = (piece: string) => piece === name || piece.startsWith(`${name}=`);

  const inHeader = (headers: CallRequest["headers"]): SentSignature | undefined => {
    const signature = headers[name];
    if (typeof signature === "string") return { carrier: "header", text: asUtf8(signature) };
    const access = headers[token];
    return typeof access === "string" ? { carrier: "access-token", text: asUtf8(access) } : undefined;
  };

  const inQuery = (url: string | undefined): SentSignature | undefined => {
    for (const { carrier, prefix } of parameters) {
      // Most URLs have none, and this is all they pay.
      if (url === undefined || !url.includes(prefix)) continue;
      const piece = queryOf(url)
        .split("&")
        .find((one) => one.startsWith(prefix));
      if (piece !== undefined) return { carrier, text: decoded(piece.slice(prefix.length)) };
    }
    return undefined;
  };

  const inCookie = (cookie: string | undefined): SentSignature | undefined => {
    const value = cookie?.includes(name) ? cookieOf(cookie, name) : undefined;
    return value === undefined ? undefined : { carrier: "session", text: percentDecoded(value) };
  };

  return {
    sent: ({ headers, url }) => inHeader(headers) ?? inQuery(url) ?? inCookie(headers.cookie),

    signed(request) {
      const { method = "", url = "", headers } = request;
      const pieces = queryOf(url).split("&");
      return {
        method,
        host: hostOf(request),
        path: pathOf(url),
        query: pieces.filter((piece) => !isSignature(piece)).join("&"),
        contentType: headers["content-type"] ?? "",
      };
    },
  };
}

/** Node reads headers as Latin-1, clients write them as UTF-8. */
function asUtf8(header: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what it begins with.
  if (/^[\x00-\x7f]*$/.test(header)) return header;
  const text = Buffer.from(header, "latin1").toString("utf8");
  return text.includes("\ufffd") ? header : text;
}

/** A plus is a blank in a URL; in base64, which has no blanks, it was meant to be one. */
function decoded(value: string): string {
  const fields = percentDecoded(value.replaceAll("+", " ")).split("|");
  return fields.map((field, at) => (at === 3 || at === 5 ? field.replaceAll(" ", "+") : field)).join("|");
}

/** As it is, when it is not percent-encoded. */
function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
