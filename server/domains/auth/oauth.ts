import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { makeOutsideAccount, type OutsideIdentity, outsideSubject } from "../accounts/index.js";
import { beginFlow, type NewFlow, takeFlow } from "./oauth-flow.js";
import { openSignIn, type SignedIn } from "./open-sign-in.js";
import { ownOrigin } from "./own-origin.js";
import { redirectTarget } from "./redirect-target.js";
import { recordRefused } from "./sign-in-outcome.js";
import * as store from "./store-identities.js";

/** Where browsers come back to; the provider's name follows. */
const CALLBACK = "/auth/callback/";

export interface StartOAuthInput {
  provider: string;
  redirectTo: string;
  cookie: boolean;
}

/** What a provider sent a browser back with, and what proves that it was begun here. */
export interface Returned {
  provider: string;
  code: string;
  state: string;
  flowToken: string;
}

export async function startOAuth(ctx: Ctx, { provider, redirectTo, cookie }: StartOAuthInput): Promise<NewFlow> {
  if (cookie) ctx.session.check();
  const own = ownOrigin(ctx);
  const target = redirectTarget(ctx, own, redirectTo);
  return beginFlow(ctx, { provider, redirectUri: `${own}${CALLBACK}${provider}`, redirectTo: target, cookie });
}

export async function finishOAuth(
  ctx: Ctx,
  input: Returned & { cookie: boolean; deviceName: string },
): Promise<SignedIn & { created: boolean }> {
  if (input.cookie) ctx.session.check();
  const { provider, cookie, deviceName } = input;
  checkOneLine(deviceName, "deviceName");
  let accountId: string | undefined;
  try {
    const identity = await provenIdentity(ctx, input);
    const known = await accountOf(ctx, identity);
    accountId = known.accountId;
    const signedIn = await openSignIn(ctx, { accountId, method: "oidc", by: { provider }, cookie, deviceName });
    return { ...signedIn, created: known.created };
  } catch (error) {
    await recordRefused(ctx, error, { method: "oidc", accountId, provider });
    throw error;
  }
}

/**
 * Who has come back from a provider. Throws CHALLENGE_GONE for whoever did not begin, PROVIDER_REFUSED, PROVIDER_UNAVAILABLE,
 * PROVIDER_NOT_FOUND.
 */
export async function provenIdentity(ctx: Ctx, returned: Returned): Promise<OutsideIdentity> {
  const { provider, code, state } = returned;
  const { redirectUri, kept } = await takeFlow(ctx, returned);
  const said = await ctx.identityProviders.exchange(provider, { redirectUri, code, state, kept });
  return { ...said, provider };
}

/**
 * The account that signs in by an identity; made when there is none. It is never one that merely has the same address: a
 * provider would open it that its owner has never chosen.
 */
async function accountOf(ctx: Ctx, identity: OutsideIdentity): Promise<{ accountId: string; created: boolean }> {
  const known = await knownAccount(ctx, identity);
  if (known !== undefined) return { accountId: known, created: false };
  if (!ctx.settings.accounts.openRegistration) throw new DomainError("REGISTRATION_CLOSED");
  const made = await makeOutsideAccount(ctx, identity);
  if (made !== undefined) return { accountId: made, created: true };
  // Somebody was quicker: the same person, in another window.
  const other = await knownAccount(ctx, identity);
  if (other === undefined) throw new DomainError("CONFLICT");
  return { accountId: other, created: false };
}

async function knownAccount(ctx: Ctx, { issuer, subject }: OutsideIdentity): Promise<string | undefined> {
  const found = await store.useOutsideIdentity(ctx, { subject: outsideSubject(issuer, subject), at: ctx.clock.now() });
  return found[0]?.accountId;
}
