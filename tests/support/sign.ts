import { createHash, createHmac } from "node:crypto";

/** A request that is about to be signed, as its client sees it. */
export interface ToSign {
  login: string;
  secret: string;
  method?: string;
  url: string;
  contentType?: string;
  /** A form's body, which stands where the URL's parameters would; covered by a checksum when it is no form. */
  body?: string;
  checksum?: string;
  tag?: string;
  /** Milliseconds since 1970; in a minute when absent. */
  expires?: number | string;
}

/** A `bk-signature` of version 4, made from its description and not by our own code. */
export function sign(request: ToSign): string {
  const { login, secret, method = "GET", contentType = "", body = "", checksum = "", tag = "" } = request;
  const url = new URL(request.url);
  // As sent: URL does not touch the percent signs, and a query is `?` and the rest.
  const isForm = contentType.startsWith("application/x-www-form-urlencoded");
  const query = (isForm ? body : url.search.slice(1)).split("&").filter(Boolean).sort().join("&");
  const expires = String(request.expires ?? Date.now() + 60_000);
  const lines = ["4", tag, login, method, url.hostname.toLowerCase(), url.pathname, query, expires];
  const text = [...lines, contentType.toLowerCase(), checksum].map((line) => `${line}\n`).join("");
  const digest = createHmac("sha256", secret).update(text).digest("base64");
  return `4|${tag}|${login}|${digest}|${expires}|${checksum}|`;
}

/** The checksum that covers a body. */
export function checksumOf(body: string): string {
  return createHash("sha1").update(body).digest("base64");
}
