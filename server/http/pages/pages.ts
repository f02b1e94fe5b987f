import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** The few pages the server has of its own. */
export interface Pages {
  find(path: string): Page | undefined;
}

export interface Page {
  body: string;
  headers: Record<string, string>;
}

/** `/` tells in development what this is and what to try; `/setup` makes the first administrator. */
export function createPages(options: { development: boolean; version: string }): Pages {
  const pages = new Map([["/setup", load("setup.html", options.version)]]);
  if (options.development) pages.set("/", load("start.html", options.version));
  return { find: (path) => pages.get(path) };
}

function load(name: string, version: string): Page {
  const body = readFileSync(new URL(name, import.meta.url), "utf8").replaceAll("{{version}}", version);
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
