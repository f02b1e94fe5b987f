import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { keepChallenge, takeChallenge } from "./challenges.js";
import { openSignIn, type SignedIn } from "./open-sign-in.js";
import { type BegunPasskey, PASSKEY_TTL, type PasskeyChallenge, webauthn } from "./passkeys.js";
import { relyingParty } from "./relying-party.js";
import { recordRefused } from "./sign-in-outcome.js";
import * as store from "./store-passkeys.js";

export interface FinishSignInInput {
  challengeId: string;
  credential: JsonObject;
  cookie: boolean;
  deviceName: string;
}

export async function beginSignIn(ctx: Ctx): Promise<BegunPasskey> {
  const party = relyingParty(ctx);
  const { askForSignIn } = await webauthn();
  const { options, challenge } = await askForSignIn(party, PASSKEY_TTL);
  const id = ctx.ids.next();
  const data: PasskeyChallenge = { challenge };
  await keepChallenge(ctx, { id, kind: "passkey-sign-in", ttl: PASSKEY_TTL, data });
  return { challengeId: id, options };
}

export async function finishSignIn(ctx: Ctx, input: FinishSignInInput): Promise<SignedIn> {
  if (input.cookie) ctx.session.check();
  checkOneLine(input.deviceName, "deviceName");
  const party = relyingParty(ctx);
  const { provedPasskey, sentId } = await webauthn();
  const { challenge } = await takeChallenge<PasskeyChallenge>(ctx, { id: input.challengeId, kind: "passkey-sign-in" });
  let accountId: string | undefined;
  let reason: string | undefined;
  try {
    const [kept] = await store.findPasskey(ctx, { credentialId: sentId(input.credential) });
    if (kept === undefined) throw new DomainError("INVALID_PASSKEY");
    accountId = kept.accountId;
    const used = await provedPasskey(party, challenge, input.credential, kept);
    const noted = await store.usePasskey(ctx, { id: kept.id, ...used, at: ctx.clock.now() });
    if (noted.length === 0) {
      reason = "cloned";
      throw new DomainError("INVALID_PASSKEY");
    }
    const { cookie, deviceName } = input;
    return await openSignIn(ctx, { accountId, method: "passkey", by: { passkey: kept.id }, cookie, deviceName });
  } catch (error) {
    await recordRefused(ctx, error, { method: "passkey", accountId, reason });
    throw error;
  }
}
