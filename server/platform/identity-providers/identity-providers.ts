/** What a browser is sent to a provider with, and what must be remembered until it comes back. */
export interface Authorization {
  /** Where to send the browser. */
  readonly url: string;
  /** Kept sealed until then: the PKCE verifier and the nonce. */
  readonly kept: { readonly verifier: string; readonly nonce: string };
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
  /** Begins a code flow with PKCE. Throws PROVIDER_NOT_FOUND, PROVIDER_UNAVAILABLE. */
  authorize(provider: string, request: { redirectUri: string; state: string }): Promise<Authorization>;
  /** Ends it: trades the code for an identity, and checks all that was said. Throws PROVIDER_REFUSED, PROVIDER_UNAVAILABLE. */
  exchange(
    provider: string,
    answer: { redirectUri: string; code: string; state: string; kept: Authorization["kept"] },
  ): Promise<ProvidedIdentity>;
}
