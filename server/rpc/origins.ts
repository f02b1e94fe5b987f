import { DomainError } from "../kernel/errors.js";
import type { IsAllowedOrigin } from "../kernel/page-origins.js";
import type { CallRequest } from "./call.js";

export { allowedOrigins, type IsAllowedOrigin } from "../kernel/page-origins.js";

/** The host a request was sent to, with its port. */
export function hostOf({ headers }: CallRequest): string {
  return headers.host ?? (headers[":authority"] as string | undefined) ?? "";
}

/** Whether a browser says that a page of this very server asked. */
function isOwnOrigin(request: CallRequest, origin: string): boolean {
  const host = hostOf(request).toLowerCase();
  // Behind a proxy that ends TLS the connection is plain and the page's is not.
  const plain = !request.socket?.encrypted && origin === `http://${host}`;
  return host !== "" && (plain || origin === `https://${host}`);
}

/**
 * Whether a page of another site asked for this, as far as a browser tells. What is no browser tells nothing, and holds no
 * cookie that it was not given by its own user.
 */
export function isForeign(request: CallRequest, isAllowed: IsAllowedOrigin): boolean {
  const { origin } = request.headers;
  if (origin !== undefined) return !isOwnOrigin(request, origin) && !isAllowed(origin);
  const site = request.headers["sec-fetch-site"];
  return site !== undefined && site !== "same-origin" && site !== "none";
}

/**
 * Throws CROSS_SITE unless a change that only a cookie stands for was asked for by a page that may. A link can make any
 * browser GET, so a GET must come from a script or an image of our own pages.
 */
export function checkCookieChange(request: CallRequest, isAllowed: IsAllowedOrigin): void {
  if (isForeign(request, isAllowed) || isPerhapsLink(request)) throw new DomainError("CROSS_SITE");
}

/**
 * Whether a browser's session may be begun, replaced or ended by a request whose proof, if it has one, a link can carry: a
 * signature in the URL, or a login and secret. The same, but for programs, which follow no links and GET as they like.
 */
export function mayChangeSession(request: CallRequest, isAllowed: IsAllowedOrigin): boolean {
  return !isForeign(request, isAllowed) && !(isPerhapsLink(request) && isPerhapsBrowser(request));
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
