import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { isPageOrigin, ownOrigin } from "./own-origin.js";

/** Who asks for passkeys: they serve this name, and pages below it, alone. */
export interface RelyingParty {
  /** The host's name. */
  readonly id: string;
  /** Whether a page of this origin may ask for them. */
  isExpected(origin: string): boolean;
}

/** Throws PUBLIC_URL_MISSING, also where the server is reached by an address: browsers keep passkeys for names alone. */
export function relyingParty(ctx: Ctx): RelyingParty {
  const own = ownOrigin(ctx);
  const { hostname: id, port } = new URL(own);
  if (isAddress(id)) {
    const local = `http://localhost${port && `:${port}`}`;
    throw new DomainError(
      "PUBLIC_URL_MISSING",
      `Passkeys need a name, not an address: open ${local} on this machine, or set \`public_url\` to a name.`,
    );
  }
  const isWithin = (origin: string) => {
    const { hostname } = new URL(origin);
    return hostname === id || hostname.endsWith(`.${id}`);
  };
  return { id, isExpected: (origin) => origin === own || (isPageOrigin(ctx, origin) && isWithin(origin)) };
}

/** URLs have IPv6 in brackets, and every form of IPv4 as four numbers. */
function isAddress(hostname: string): boolean {
  return /^\[|^\d+(\.\d+){3}$/.test(hostname);
}
