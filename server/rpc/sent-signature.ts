import type { SignedRequest } from "../kernel/signature.js";
import type { CallRequest } from "./call.js";
import { hostOf } from "./origins.js";
import { pathOf, queryOf } from "./url.js";

/** Whether a request's signature is the one in its header. Only a program sets that: a link or a form carries its URL. */
export function isSignedByHeader({ headers }: CallRequest, name: string): boolean {
  return typeof headers[name] === "string";
}

/** Finds the signature of requests, in the header of its name or the query parameter. */
export interface SignatureReader {
  /** The text of the signature, if there is one. */
  sent(request: CallRequest): string | undefined;
  /** What a signature of this request covers. */
  signed(request: CallRequest): SignedRequest;
}

export function signatureReader(name: string): SignatureReader {
  const parameter = `${name}=`;
  const isSignature = (piece: string) => piece === name || piece.startsWith(parameter);
  return {
    sent({ headers, url }) {
      const header = headers[name];
      if (typeof header === "string") return asUtf8(header);
      // Most URLs have none, and this is all they pay.
      if (url === undefined || !url.includes(parameter)) return undefined;
      const piece = queryOf(url)
        .split("&")
        .find((one) => one.startsWith(parameter));
      return piece && decoded(piece.slice(parameter.length));
    },

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
  try {
    const fields = decodeURIComponent(value.replaceAll("+", " ")).split("|");
    return fields.map((field, at) => (at === 3 || at === 5 ? field.replaceAll(" ", "+") : field)).join("|");
  } catch {
    return value;
  }
}
