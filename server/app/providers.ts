import type { Config } from "../config.js";
import type { IdentityProviders } from "../platform/identity-providers/identity-providers.js";
import { noProviders } from "../platform/identity-providers/no-providers.js";
import type { Log } from "../platform/log.js";

/** The OpenID Connect providers of the configuration. */
export async function providersOf({ oidc }: Config, log: Log): Promise<IdentityProviders> {
  if (oidc.length === 0) return noProviders;
  // Whoever has no provider is spared the library.
  const { openIdProviders } = await import("../platform/identity-providers/openid.js");
  return openIdProviders({ providers: oidc, log });
}
