/** What must be remembered, sealed, of a browser that was sent to a provider, until it comes back. */
export interface Awaited {
  /** Who is to answer. */
  readonly issuer: string;
  /** Of PKCE: proves that whoever trades the code is whoever asked for it. */
  readonly verifier: string;
  /** Must stand in the answer, which is of no other question then. */
  readonly nonce: string;
}

/** Where to send a browser, and what to remember of it. */
export interface Authorization {
  readonly url: string;
  readonly kept: Awaited;
}

/** Who a provider says came. */
export interface ProvidedIdentity {
  /** The provider's own name for him, which never changes. */
  readonly subject: string;
  /** The issuer that said so. */
  readonly issuer: string;
  readonly name: string | undefined;
  readonly email: string | undefined;
  /** Whether the provider vouches for the address, and is trusted to. */
  readonly emailVerified: boolean;
}

/** The OpenID Connect providers of this installation. */
export interface IdentityProviders {
  /** Their names; sorted. */
  readonly names: readonly string[];
  /** Begins a code flow with PKCE. Rejects with PROVIDER_NOT_FOUND, PROVIDER_UNAVAILABLE. */
  authorize(provider: string, request: { redirectUri: string; state: string }): Promise<Authorization>;
  /**
   * Ends it: trades the code for an identity, and checks all that was said. Rejects with PROVIDER_REFUSED, PROVIDER_UNAVAILABLE,
   * PROVIDER_NOT_FOUND.
   */
  exchange(
    provider: string,
    answer: { redirectUri: string; code: string; state: string; kept: Awaited },
  ): Promise<ProvidedIdentity>;
}
