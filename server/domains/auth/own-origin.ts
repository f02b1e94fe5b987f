import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { allowedOrigins } from "../../kernel/page-origins.js";

/**
 * The origin that people reach this server at: as configured, or the one the call was sent to when it never left the machine.
 * The header `host` alone would be whatever its sender says. Throws PUBLIC_URL_MISSING.
 */
export function ownOrigin({ settings, client }: Pick<Ctx, "settings" | "client">): string {
  const origin = settings.publicUrl || client.localOrigin;
  if (origin === undefined) throw new DomainError("PUBLIC_URL_MISSING");
  // A host may be written in capitals; browsers name theirs without.
  return new URL(origin).origin;
}

/** Whether pages of another origin are let in here: those of `cors.origins`. */
export function isPageOrigin({ settings }: Pick<Ctx, "settings">, origin: string): boolean {
  return allowedOrigins({ origins: settings.corsOrigins, development: settings.development }).isAllowed(origin);
}
