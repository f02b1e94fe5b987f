import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CallRequest } from "../../rpc/call.js";
import { localOriginOf } from "../../rpc/session-cookie.js";
import { type InboxMail, inboxPage } from "./inbox.js";

/** The few pages the server has of its own. */
export interface Pages {
  /** The page a request to `path` gets. */
  find(path: string, req: CallRequest): Page | undefined;
}

export interface Page {
  body: string;
  headers: Record<string, string>;
}

export interface PagesOptions {
  development: boolean;
  version: string;
  /** The mails of the development inbox, newest first; absent where there is none. */
  inbox?: (() => readonly InboxMail[]) | undefined;
  /** Where people reach this server; empty when that is not known. */
  publicUrl: string;
}

/**
 * `/` tells in development what this is and what to try; `/setup` makes the first administrator; `/inbox` shows the mails of the
 * development inbox.
 */
export function createPages({ development, version, inbox, publicUrl }: PagesOptions): Pages {
  const pages = new Map([["/setup", load("setup.html", version)]]);
  if (development) pages.set("/", load("start.html", version));
  return {
    find(path, req) {
      if (path !== "/inbox" || inbox === undefined) return pages.get(path);
      // Mails have codes in them: they are shown to somebody at this machine, and not to a page that gave its own host our address,
      // nor to one that calls from another origin.
      const isShown = localOriginOf(req, publicUrl) !== undefined && req.headers.origin === undefined;
      return isShown ? pageOf(inboxPage(inbox())) : undefined;
    },
  };
}

function load(name: string, version: string): Page {
  return pageOf(readFileSync(new URL(name, import.meta.url), "utf8").replaceAll("{{version}}", version));
}

/** A page that loads nothing, runs no script but its own, and cannot be framed. */
function pageOf(body: string): Page {
  const hashes = [...body.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script]) => `'sha256-${createHash("sha256").update(script!).digest("base64")}'`,
  );
  const scripts = hashes.length > 0 ? `script-src ${hashes.join(" ")}; connect-src 'self'; ` : "";
  return {
    body,
    headers: {
      "content-security-policy": `default-src 'none'; ${scripts}style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    },
  };
}
