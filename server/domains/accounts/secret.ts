import { randomBytes } from "node:crypto";
import type { Ctx, Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { canSign, checkSigningLogin, foldLogin } from "./login.js";
import * as store from "./store-secret.js";

/** As CreateAccount takes. */
const MOST_LOGIN_BYTES = 256;

/** Who a login is to those who check its signatures. */
export interface Signer {
  readonly accountId: string;
  readonly roles: readonly string[];
  /** The account's secret, sealed. */
  readonly sealed: Buffer;
  /** Names what he signs with it: with every other secret it is another mark. */
  readonly secretMark: Buffer;
}

/** Throws SECRET_TOO_SHORT for a secret that may not be one. */
export function checkNewSecret(ports: Ports, secret: string, field: string): void {
  const { secretMinLength } = ports.settings.auth;
  if ([...secret].length >= secretMinLength) return;
  throw new DomainError("SECRET_TOO_SHORT", `The secret must have at least ${secretMinLength} characters.`, { field });
}

/**
 * The account that a login, or an address it has verified, and its secret name, with the name of that secret, or undefined; an
 * unknown login takes as long as a wrong secret. Who comes from a known device waits in a line of his own. Throws
 * TOO_MANY_SIGN_INS.
 */
export async function checkSecret(
  ctx: Ctx,
  login: string,
  secret: string,
  from: { knownDevice: boolean },
): Promise<{ accountId: string; secretName: Buffer } | undefined> {
  const lane = from.knownDevice ? "known" : "stranger";
  const [known] = await store.findLogin(ctx, { subject: foldLogin(login) });
  const right = await ctx.hasher.verify(secret, known?.secretPhc ?? undefined, lane);
  if (!right || known === undefined || known.secretPhc === null || known.secretName === null) return undefined;
  const { accountId, secretPhc, secretName } = known;
  if (ctx.hasher.needsRehash(secretPhc)) await rehash(ctx, { accountId, before: secretPhc, secret });
  return { accountId, secretName };
}

/** Keeps a secret that was just shown by a better hash. When that cannot be done now, it is at the next sign-in. */
async function rehash(ctx: Ctx, input: { accountId: string; before: string; secret: string }): Promise<void> {
  const { accountId, before, secret } = input;
  try {
    await store.rehashSecret(ctx, { accountId, before, secretPhc: await ctx.hasher.hash(secret, "known") });
  } catch (error) {
    ctx.log.warn({ account: accountId, error: (error as Error).message }, "a secret was not hashed anew");
  }
}

/**
 * The secret as it is kept for signatures: because `signatures` says so, or by the server's own rule. Undefined when it is not, and
 * whenever the login cannot sign. Throws SIGNATURES_OFF.
 */
export function sealSecret(
  ctx: Ctx,
  { accountId, login, secret, signatures }: { accountId: string; login: string; secret: string; signatures: boolean },
): Buffer | undefined {
  const kept = ctx.settings.auth.signatures;
  if (kept === "off" && signatures) throw new DomainError("SIGNATURES_OFF", undefined, { field: "signatures" });
  const wanted = signatures || kept === "all" || (kept === "compat" && ctx.client.isCompat);
  return wanted && canSign(login) ? ctx.key.seal("signing-secret", secret, accountId) : undefined;
}

/** A secret that is to take the place of another. */
export type SecretChange = Parameters<typeof store.replaceSecret>[1];

/** How whoever changes a secret shows that he knows it: by itself, by having signed with it, or both. */
export type ShownSecret = { old: string; secretMark: Buffer | undefined } | { old: undefined; secretMark: Buffer };

/**
 * Prepares the change of an account's secret: the one that stands now must be the one that was shown. Throws WRONG_SECRET,
 * INVALID_SIGNATURE, SECRET_TOO_SHORT, SIGNATURES_OFF, and INVALID_LOGIN when the account's login cannot sign and is to.
 */
export async function prepareSecret(
  ctx: Ctx,
  input: { accountId: string; secret: string; signatures: boolean } & ShownSecret,
): Promise<SecretChange> {
  const { accountId, old, secretMark, secret } = input;
  checkNewSecret(ctx, secret, "new");
  const [kept] = await store.findSecret(ctx, { accountId });
  // The secret may have been changed since the call was signed. What is found here is what the change will replace.
  if (secretMark && !kept?.secretMark.equals(secretMark)) throw new DomainError("INVALID_SIGNATURE");
  if (kept !== undefined && input.signatures) checkSigningLogin(kept.login, "signatures");
  const right = old === undefined || (await ctx.hasher.verify(old, kept?.secretPhc));
  if (!right || kept === undefined) throw new DomainError("WRONG_SECRET", undefined, { field: "old" });
  // Whoever could sign before goes on doing so, unless this server has stopped keeping secrets.
  const couldSign = kept.secretSealed !== null && ctx.settings.auth.signatures !== "off";
  const signatures = input.signatures || couldSign;
  const secretSealed = sealSecret(ctx, { accountId, login: kept.login, secret, signatures });
  return { id: kept.id, before: kept.secretName, secretPhc: await ctx.hasher.hash(secret, "known"), secretSealed };
}

/** Makes a prepared change. Throws CONFLICT when another was first. */
export async function replaceSecret(ctx: Ctx, change: SecretChange): Promise<void> {
  if ((await store.replaceSecret(ctx, change)).length > 0) return;
  throw new DomainError("CONFLICT", undefined, { retryAfterMs: 50 });
}

/** Who signs as `login`, as the database has it now; undefined when nobody does. */
export async function fetchSigner(ports: Ports, login: string): Promise<Signer | undefined> {
  const subject = signerSubject(login);
  if (subject === undefined) return undefined;
  const [found] = await store.findSigner({ db: ports.database }, { subject });
  if (found === undefined) return undefined;
  const { accountId, roles, secretSealed: sealed, secretMark } = found;
  return { accountId, roles, sealed, secretMark };
}

/** By which mark the secret of each of some accounts goes now. */
export async function fetchMarks(from: Pick<Ctx, "db">, accountIds: string[]): Promise<Map<string, Buffer>> {
  const found = await store.findMarks(from, { accountIds });
  return new Map(found.map(({ accountId, secretMark }) => [accountId, secretMark]));
}

/** Has everything end that was opened by what the account signed so far; it may sign on. */
export async function voidSignatures(ctx: Pick<Ctx, "db">, accountId: string): Promise<void> {
  await store.voidSigned(ctx, { accountId, voided: randomBytes(32) });
}

/** What a login that signs is known by; undefined of one that nobody can have. */
export function signerSubject(login: string): string | undefined {
  if (Buffer.byteLength(login) > MOST_LOGIN_BYTES) return undefined;
  try {
    return foldLogin(login);
  } catch {
    return undefined;
  }
}
