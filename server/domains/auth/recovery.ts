import { createHmac, randomInt } from "node:crypto";
import type { Ctx } from "../../context.js";
import * as store from "./store-totp.js";
import { openSecret } from "./totp-code.js";

/** So many are drawn at once, of so many characters each: 50 bits. */
const CODES = 10;
const LENGTH = 10;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const FORM = /^[A-Z2-7]{10}$/;

/** Draws new recovery codes in the place of what is left, and notes that; answers them as they are shown, once. */
export async function drawRecoveryCodes(ctx: Ctx, kept: store.KeptTotp): Promise<string[]> {
  const { accountId } = kept;
  const codes = new Set<string>();
  while (codes.size < CODES) codes.add(Array.from({ length: LENGTH }, () => ALPHABET[randomInt(32)]).join(""));
  const drawn = [...codes];
  await store.deleteRecoveryCodes(ctx, { accountId });
  await store.insertRecoveryCodes(ctx, {
    accountId,
    macs: drawn.map((code) => macOf(ctx, kept, code).toString("hex")),
  });
  await ctx.audit.record(ctx, { type: "recovery_codes.drawn", accountId });
  return drawn.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`);
}

/** Uses up one of the account's recovery codes, if `code` (in upper case, without hyphens) is one, and notes that. */
export async function takeRecoveryCode(ctx: Ctx, kept: store.KeptTotp, code: string): Promise<boolean> {
  if (!FORM.test(code)) return false;
  const { accountId } = kept;
  const codeMac = macOf(ctx, kept, code);
  return ctx.transaction(async (tx) => {
    if ((await store.takeRecoveryCode(tx, { accountId, codeMac })).length === 0) return false;
    await tx.audit.record(tx, { type: "recovery_code.used", accountId });
    return true;
  });
}

/**
 * What is kept of a code. It is keyed by the authenticator's own secret, which is sealed anew when the installation's key changes:
 * a MAC under that key could not be made again, and the codes would be worth nothing when they are needed, years later.
 */
function macOf(ctx: Ctx, kept: store.KeptTotp, code: string): Buffer {
  return createHmac("sha256", openSecret(ctx, kept)).update(`recovery-code ${kept.accountId} ${code}`).digest();
}
