/** An OpenID Connect provider, as it is configured. */
export interface IdentityProvider {
  /** Its name here: stands in paths. */
  readonly name: string;
  /** Its own name for itself, which is also where its description is found. */
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for a client that has none. Never shown. */
  readonly clientSecret: string | undefined;
  /** What it is asked for, by blanks; `openid` is among it. */
  readonly scopes: string;
  /** Whether an address that it calls verified counts as verified here. */
  readonly trustEmail: boolean;
}
