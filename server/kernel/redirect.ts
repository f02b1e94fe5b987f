import { DomainError, type ErrorKind } from "./errors.js";

/** HTTP statuses that send a caller elsewhere. */
export const REDIRECT_STATUSES = [301, 302, 303, 307] as const;
export type RedirectStatus = (typeof REDIRECT_STATUSES)[number];

/** A refusal by the app that says where to go instead: pages and REST answer it as HTTP does, other doors as metadata. */
export class Redirect extends DomainError {
  constructor(
    readonly location: string,
    readonly status: RedirectStatus,
    kind: ErrorKind,
  ) {
    super("REFUSED_BY_APP", `Go to ${location}`, { kind, metadata: { location } });
  }
}

/** Whether a text is a path of this server, or an absolute URL of http or https, as a header can carry it. */
export function isRedirectTarget(text: string): boolean {
  if (!/^[\x21-\x7e]{1,2000}$/.test(text)) return false;
  // Two slashes begin another host's name, and browsers take a backslash for one.
  if (text.startsWith("/")) return !/^\/[/\\]/.test(text);
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}
