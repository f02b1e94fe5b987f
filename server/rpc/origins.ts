import { DomainError } from "../kernel/errors.js";
import type { IsAllowedOrigin } from "../kernel/page-origins.js";
import type { CallRequest } from "./call.js";

export { allowedOrigins, type IsAllowedOrigin } from "../kernel/page-origins.js";

/** The host a request was sent to, with its port. */
export function hostOf({ headers }: CallRequest): string {
  return headers.host ?? (headers[":authority"] as string | undefined) ?? "";
}

/** Whose pages may call with a cookie. */
export interface KnownPages {
  /** Those of other origins. */
  readonly isAllowedOrigin: IsAllowedOrigin;
  /** Where people reach this server; empty when that is not known. */
  readonly publicUrl: string;
}

/** Whether a browser says that a page of this very server asked. */
function isOwnOrigin(request: CallRequest, origin: string, publicUrl: string): boolean {
  const host = hostOf(request).toLowerCase();
  // Behind a proxy that ends TLS the connection is plain and the page's is not. Where people come by https, whatever answers at
  // the same name without it may be somebody else on the way.
  const plain = !request.socket?.encrypted && !isHttps(publicUrl) && origin === `http://${host}`;
  return host !== "" && (plain || origin === `https://${host}`);
}

/** Whether people reach this server by https. */
export function isHttps(publicUrl: string): boolean {
  return /^https:/i.test(publicUrl);
}

/**
 * Whether a page of another site asked for this, as far as a browser tells. What is no browser tells nothing, and holds no
 * cookie that it was not given by its own user.
 */
export function isForeign(request: CallRequest, { isAllowedOrigin, publicUrl }: KnownPages): boolean {
  const { origin, "sec-fetch-mode": mode, "sec-fetch-site": site } = request.headers;
  if (origin !== undefined && isAllowedOrigin(origin)) return false;
  // Some browsers hold a socket of a page's own server for another site's, by its scheme.
  const isElsewhere = site !== undefined && mode !== "websocket" && site !== "same-origin" && site !== "none";
  return isElsewhere || (origin !== undefined && !isOwnOrigin(request, origin, publicUrl));
}

/**
 * Throws CROSS_SITE unless a change that only a cookie stands for was asked for by a page that may, or by a program that says what no
 * form can. A link can make any browser GET, so a GET must come from a script or an image of our own pages.
 */
export function checkCookieChange(request: CallRequest, pages: KnownPages): void {
  const isKnown = isOfPage(request) || isOfProgram(request);
  if (!isKnown || isForeign(request, pages) || isPerhapsLink(request)) throw new DomainError("CROSS_SITE");
}

/** Whether a browser says which page asked. Every one does by now, at each change; an old one that does not may carry anyone's form. */
function isOfPage({ headers }: CallRequest): boolean {
  return headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
}

/** Whether something stands in the request that a browser sends for no page of another origin before it has asked us. */
function isOfProgram({ headers }: CallRequest): boolean {
  const isGrpc = headers["content-type"]?.startsWith("application/grpc") ?? false;
  return isGrpc || headers["connect-protocol-version"] !== undefined;
}

/**
 * Whether a browser's session may be begun, replaced or ended by a request whose proof, if it has one, a link can carry: a
 * signature in the URL, or a login and secret. The same, but for programs, which follow no links and GET as they like.
 */
export function mayChangeSession(request: CallRequest, pages: KnownPages): boolean {
  return !isForeign(request, pages) && !(isPerhapsLink(request) && isPerhapsBrowser(request));
}

function isPerhapsLink({ method, headers }: CallRequest): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return headers["sec-fetch-site"] !== "same-origin" || headers["sec-fetch-mode"] === "navigate";
}

/** Whether anything of a browser stands in the request; every one of them calls itself Mozilla, with or without the others. */
function isPerhapsBrowser({ headers }: CallRequest): boolean {
  const { origin, referer, cookie } = headers;
  const sent = [origin, referer, cookie, headers["sec-fetch-site"], headers["upgrade-insecure-requests"]];
  return sent.some((header) => header !== undefined) || /mozilla/i.test(headers["user-agent"] ?? "");
}
