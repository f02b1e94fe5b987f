import type { Ctx, Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { sha256 } from "../../kernel/instance-key.js";
import { foldLogin } from "./login.js";
import * as store from "./store.js";

/** As CreateAccount takes. */
const MOST_LOGIN_BYTES = 256;

/** Who a login is to those who check its signatures. */
export interface Signer {
  readonly accountId: string;
  readonly roles: readonly string[];
  /** The account's secret, sealed. */
  readonly sealed: Buffer;
  /** Which secret that is: every other has another mark. */
  readonly secretMark: Buffer;
}

/** Throws SECRET_TOO_SHORT for a secret that may not be one. */
export function checkNewSecret(ports: Ports, secret: string, field: string): void {
  const { secretMinLength } = ports.settings.auth;
  if ([...secret].length >= secretMinLength) return;
  throw new DomainError("SECRET_TOO_SHORT", `The secret must have at least ${secretMinLength} characters.`, { field });
}

/**
 * The account a login and secret name, with the hash that says so, or undefined; an unknown login takes as long as a wrong
 * secret.
 */
export async function checkSecret(
  ctx: Ctx,
  login: string,
  secret: string,
): Promise<{ accountId: string; secretPhc: string } | undefined> {
  const known = (await store.findLogin(ctx, { subject: foldLogin(login) }))[0];
  const right = await ctx.hasher.verify(secret, known?.secretPhc ?? undefined);
  return right && known && known.secretPhc !== null ? { ...known, secretPhc: known.secretPhc } : undefined;
}

/** The secret as it is kept for signatures; undefined when it is not. Throws SIGNATURES_OFF. */
export function sealSecret(
  ports: Ports,
  { accountId, secret, signatures }: { accountId: string; secret: string; signatures: boolean },
): Buffer | undefined {
  const kept = ports.settings.auth.signatures;
  if (kept === "off" && signatures) throw new DomainError("SIGNATURES_OFF", undefined, { field: "signatures" });
  return kept === "all" || signatures ? ports.key.seal("signing-secret", secret, accountId) : undefined;
}

/** A secret that is to take the place of another. */
export type SecretChange = Parameters<typeof store.replaceSecret>[1];

/** How whoever changes a secret shows that he knows it: by itself, by having signed with it, or both. */
export type ShownSecret = { old: string; secretMark: Buffer | undefined } | { old: undefined; secretMark: Buffer };

/**
 * Prepares the change of an account's secret: the one that stands now must be the one that was shown. Throws WRONG_SECRET,
 * INVALID_SIGNATURE, SECRET_TOO_SHORT, SIGNATURES_OFF.
 */
export async function prepareSecret(
  ctx: Ctx,
  input: { accountId: string; secret: string; signatures: boolean } & ShownSecret,
): Promise<SecretChange> {
  const { accountId, old, secretMark, secret } = input;
  checkNewSecret(ctx, secret, "new");
  const [kept] = await store.findSecret(ctx, { accountId });
  // The secret may have been changed since the call was signed. What is found here is what the change will replace.
  if (secretMark && !(kept?.secretSealed && markOf(kept.secretSealed).equals(secretMark))) {
    throw new DomainError("INVALID_SIGNATURE");
  }
  const right = old === undefined || (await ctx.hasher.verify(old, kept?.secretPhc ?? undefined));
  if (!right || kept === undefined || kept.secretPhc === null) {
    throw new DomainError("WRONG_SECRET", undefined, { field: "old" });
  }
  // Whoever could sign before goes on doing so, unless this server has stopped keeping secrets.
  const couldSign = kept.secretSealed !== null && ctx.settings.auth.signatures !== "off";
  const secretSealed = sealSecret(ctx, { accountId, secret, signatures: input.signatures || couldSign });
  return { id: kept.id, before: kept.secretPhc, secretPhc: await ctx.hasher.hash(secret), secretSealed };
}

/** Makes a prepared change. Throws CONFLICT when another was first. */
export async function replaceSecret(ctx: Ctx, change: SecretChange): Promise<void> {
  if ((await store.replaceSecret(ctx, change)).length > 0) return;
  throw new DomainError("CONFLICT", undefined, { retryAfterMs: 50 });
}

/** Who signs as `login`, as the database has it now; undefined when nobody does. */
export async function fetchSigner(ports: Ports, login: string): Promise<Signer | undefined> {
  const subject = subjectOf(login);
  if (subject === undefined) return undefined;
  const [found] = await store.findSigner({ db: ports.database }, { subject });
  if (found === undefined || found.secretSealed === null) return undefined;
  const { accountId, roles, secretSealed: sealed } = found;
  return { accountId, roles, sealed, secretMark: markOf(sealed) };
}

/** Whether an account still signs with the secret of this mark. */
export async function isSecretKept(
  ctx: Pick<Ctx, "db">,
  signer: { accountId: string; secretMark: Buffer },
): Promise<boolean> {
  return (await store.findMarked(ctx, signer)).length > 0;
}

/** Names a sealed secret; the store makes the same of what it keeps. Its nonce makes it another even of the same secret. */
function markOf(sealed: Buffer): Buffer {
  return sha256(sealed);
}

/** A login that nobody can have is one that nobody has. */
function subjectOf(login: string): string | undefined {
  if (Buffer.byteLength(login) > MOST_LOGIN_BYTES) return undefined;
  try {
    return foldLogin(login);
  } catch {
    return undefined;
  }
}
