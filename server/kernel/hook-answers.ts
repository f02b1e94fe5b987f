import { DomainError, type ErrorKind } from "./errors.js";
import { isRedirectTarget, REDIRECT_STATUSES, Redirect, type RedirectStatus } from "./redirect.js";

/** What an app's refusal may say, by its HTTP status. */
const KINDS: Readonly<Record<number, ErrorKind>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  409: "already_exists",
  429: "resource_exhausted",
  503: "unavailable",
};

/** What a hook that was asked about a request has answered: undefined lets it go on. */
export type HookAnswer = DomainError | "allow" | undefined;

/**
 * Reads what a hook about a request returned; `mayAllow` when it may open the call. A redirect is of `kind` where nobody can be
 * sent elsewhere. Throws a TypeError, which tells the app's author, for anything else.
 */
export function readAnswer(answer: unknown, mayAllow: boolean, kind: ErrorKind): HookAnswer {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer !== "object") throw new TypeError(`it returned ${typeof answer}, not an object`);
  const { allow, status, message, redirect, ...more } = answer as Record<string, unknown>;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new TypeError(`it returned something unknown: ${unknown}`);
  if (allow !== undefined) {
    if (mayAllow && allow === true && status === undefined && redirect === undefined) return "allow";
    throw new TypeError(`it returned allow, which ${mayAllow ? "stands alone and is true" : "only beforeAuth may"}`);
  }
  return redirect === undefined ? refusal(status, message) : redirection(redirect, status, kind);
}

function refusal(status: unknown, message: unknown): DomainError {
  const kind = typeof status === "number" ? KINDS[status] : undefined;
  if (kind === undefined) throw new TypeError(`its status must be one of ${Object.keys(KINDS).join(", ")}`);
  if (message !== undefined && !isText(message))
    throw new TypeError("its message must be a text of 1 to 1000 characters");
  return new DomainError("REFUSED_BY_APP", message, { kind });
}

function redirection(to: unknown, status: unknown = 302, kind: ErrorKind): Redirect {
  if (typeof to !== "string" || !isRedirectTarget(to)) {
    throw new TypeError("its redirect must be a path of this server or an absolute URL, percent-encoded");
  }
  if (!REDIRECT_STATUSES.includes(status as RedirectStatus)) {
    throw new TypeError(`the status of a redirect must be one of ${REDIRECT_STATUSES.join(", ")}`);
  }
  return new Redirect(to, status as RedirectStatus, kind);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 1_000 && value.isWellFormed();
}

/** Reads what a hook about an answer returned: the fields that replace others. Throws a TypeError for anything else. */
export function readReplacement(answer: unknown): Readonly<Record<string, unknown>> | undefined {
  if (answer === undefined || answer === null) return undefined;
  const { response, ...more } = Object(answer) as { response?: unknown };
  const isObject = typeof response === "object" && response !== null && !Array.isArray(response);
  if (!isObject || Object.keys(more).length > 0)
    throw new TypeError("it must return nothing or { response }, an object");
  return response as Record<string, unknown>;
}
