import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { isPageOrigin } from "./own-origin.js";

/** What browsers leave out of a URL, or read as something else, so that what was checked is not where they go. */
const MISREAD = /[\\\s\p{Cc}]/u;

/**
 * The page that a browser is to end at, as a whole URL: a path of `own` origin, or a page of an origin that is let in here.
 * Throws INVALID_REDIRECT for any other, so that nobody is led elsewhere by a link to this server.
 */
export function redirectTarget(ctx: Ctx, own: string, text: string): string {
  const target = parsed(own, text || "/");
  if (target === undefined) throw new DomainError("INVALID_REDIRECT", undefined, { field: "redirectTo" });
  if (target.origin === own || isPageOrigin(ctx, target.origin)) return target.href;
  throw new DomainError("INVALID_REDIRECT", undefined, { field: "redirectTo" });
}

function parsed(own: string, text: string): URL | undefined {
  if (MISREAD.test(text)) return undefined;
  const isPath = text.startsWith("/") && !text.startsWith("//");
  if (!isPath && !/^https?:\/\//.test(text)) return undefined;
  const url = URL.canParse(text, own) ? new URL(text, own) : undefined;
  return url?.username === "" && url.password === "" ? url : undefined;
}
