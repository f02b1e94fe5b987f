import * as openid from "openid-client";
import { DomainError } from "../../kernel/errors.js";
import type { IdentityProvider } from "../../kernel/identity-provider.js";
import type { Log } from "../log.js";
import { boundedFetch, Unreachable } from "./bounded-fetch.js";
import { claimsOf, type Said } from "./claims.js";
import type { IdentityProviders } from "./identity-providers.js";

/** How long a provider's description of itself serves. */
const DESCRIPTION_TTL = 3_600_000;
const PATIENCE_MS = 10_000;

export interface OpenIdOptions {
  providers: readonly IdentityProvider[];
  log: Log;
  /** Milliseconds a provider has for all that one call asks of it. */
  patience?: number;
}

/** What is known of a provider: asked for when it is needed first, so that one that is away keeps no server from starting. */
interface Known {
  readonly provider: IdentityProvider;
  description: Promise<openid.ServerMetadata> | undefined;
  /** Until when it serves, by the monotonic clock. */
  until: number;
}

/** Speaks OpenID Connect with the providers of the configuration: the code flow, with PKCE, state and nonce. */
export function openIdProviders({ providers, log, patience = PATIENCE_MS }: OpenIdOptions): IdentityProviders {
  const known = new Map<string, Known>(
    providers.map((provider) => [provider.name, { provider, description: undefined, until: 0 }]),
  );

  const find = (name: string): Known => {
    const found = known.get(name);
    if (found === undefined) throw new DomainError("PROVIDER_NOT_FOUND", undefined, { field: "provider" });
    return found;
  };

  const describe = (about: Known): Promise<openid.ServerMetadata> => {
    const { description, until } = about;
    if (description !== undefined && performance.now() < until) return description;
    const asked = discover(about.provider, boundedFetch(AbortSignal.timeout(patience)));
    about.description = asked;
    about.until = performance.now() + DESCRIPTION_TTL;
    asked.catch(() => forget(about, asked));
    return asked;
  };

  /** Does `work` with a client of the provider, for which it has so much time in all. */
  const ask = async <T>(name: string, work: (client: openid.Configuration, about: Known) => Promise<T>): Promise<T> => {
    const about = find(name);
    const description = describe(about);
    try {
      const client = clientOf(about.provider, await description);
      client[openid.customFetch] = boundedFetch(AbortSignal.timeout(patience));
      return await work(client, about);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      const away = isUnreachable(error);
      // Unless it has refused in so many words, what is remembered of it may be what is wrong.
      if (!(error instanceof openid.ResponseBodyError)) forget(about, description);
      // Nothing of its answer: that may hold a token.
      log.warn({ provider: name, why: codeOf(error) }, away ? "a provider cannot be reached" : "a provider refused");
      throw new DomainError(away ? "PROVIDER_UNAVAILABLE" : "PROVIDER_REFUSED");
    }
  };

  return {
    names: [...known.keys()].sort(),

    authorize(name, { redirectUri, state }) {
      return ask(name, async (client, { provider }) => {
        const kept = {
          issuer: client.serverMetadata().issuer,
          verifier: openid.randomPKCECodeVerifier(),
          nonce: openid.randomNonce(),
        };
        const url = openid.buildAuthorizationUrl(client, {
          redirect_uri: redirectUri,
          scope: provider.scopes,
          state,
          nonce: kept.nonce,
          code_challenge: await openid.calculatePKCECodeChallenge(kept.verifier),
          code_challenge_method: "S256",
        });
        return { url: url.href, kept };
      });
    },

    exchange(name, { redirectUri, code, state, kept }) {
      return ask(name, async (client, { provider }) => {
        const { issuer } = client.serverMetadata();
        if (issuer !== kept.issuer) throw new DomainError("PROVIDER_REFUSED");
        const returned = new URL(redirectUri);
        // The issuer that came with the code was compared where the browser came in; each provider has a page of its own there.
        returned.search = new URLSearchParams({ code, state, iss: issuer }).toString();
        const tokens = await openid.authorizationCodeGrant(client, returned, {
          expectedState: state,
          expectedNonce: kept.nonce,
          pkceCodeVerifier: kept.verifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims()!;
        const more = isEnough(claims) ? {} : await userInfo(client, tokens.access_token, claims.sub);
        return claimsOf({ ...more, ...claims }, issuer, provider.trustEmail);
      });
    },
  };
}

function forget(about: Known, description: Promise<openid.ServerMetadata>): void {
  if (about.description === description) about.description = undefined;
}

async function discover(provider: IdentityProvider, fetch: openid.CustomFetch): Promise<openid.ServerMetadata> {
  const execute = isPlain(provider) ? [openid.allowInsecureRequests] : [];
  const found = await openid.discovery(new URL(provider.issuer), provider.clientId, undefined, openid.None(), {
    [openid.customFetch]: fetch,
    execute,
  });
  return { ...found.serverMetadata() };
}

/** A client for one use. It has no keys of the provider yet and asks for them, so that it knows of new ones at once. */
function clientOf(provider: IdentityProvider, description: openid.ServerMetadata): openid.Configuration {
  const client = new openid.Configuration(description, provider.clientId, undefined, authentication(provider));
  // The library trusts the connection otherwise; the signature says as much of what comes through proxies.
  openid.enableNonRepudiationChecks(client);
  if (isPlain(provider)) openid.allowInsecureRequests(client);
  return client;
}

/** The configuration allows that on this machine alone. */
function isPlain({ issuer }: IdentityProvider): boolean {
  return issuer.startsWith("http:");
}

/** By the header, which every provider has to take, unless it says that it does not. */
function authentication({ clientSecret }: IdentityProvider): openid.ClientAuth {
  if (clientSecret === undefined) return openid.None();
  return (server, ...request) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    const byHeader = methods.includes("client_secret_basic") || !methods.includes("client_secret_post");
    const prove = byHeader ? openid.ClientSecretBasic(clientSecret) : openid.ClientSecretPost(clientSecret);
    prove(server, ...request);
  };
}

/** Whether there is nothing left to ask for; many say who somebody is only at a second place. */
function isEnough({ name, email }: Said): boolean {
  return name !== undefined && email !== undefined;
}

async function userInfo(client: openid.Configuration, accessToken: string, subject: string): Promise<Said> {
  if (client.serverMetadata().userinfo_endpoint === undefined) return {};
  return openid.fetchUserInfo(client, accessToken, subject);
}

function isUnreachable(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Unreachable) return true;
  return false;
}

/** A word for the operator's log: the library's own, or the protocol's. */
function codeOf(error: unknown): string {
  const { error: said, code, name } = error as { error?: unknown; code?: unknown; name?: unknown };
  return [said, code, name].find((word) => typeof word === "string" && /^[\w.-]{1,64}$/.test(word)) as string;
}
