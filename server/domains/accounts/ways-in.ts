import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { foldLogin } from "./login.js";
import { checkNewSecret, sealSecret } from "./secret.js";
import { accountRows, freshAccount, loginTaken, readAccount, rethrowTaken, updateAccount } from "./service.js";
import type { AccountRow } from "./store.js";
import { findSecret } from "./store-secret.js";
import * as store from "./store-ways-in.js";

/** A secret as it will be kept. */
export interface KeptSecret {
  accountId: string;
  secretPhc: string;
  secretSealed: Buffer | undefined;
}

/**
 * An address in the form that is compared, which is how a login of the same text is; undefined when it is none that anybody could
 * sign in with.
 */
export function foldEmail(email: string): string | undefined {
  try {
    return email === "" ? undefined : foldLogin(email);
  } catch {
    return undefined;
  }
}

/**
 * Notes that `email`, folded `subject`, belongs to the account. False when the account's address is another one by now. Throws
 * EMAIL_TAKEN. Runs in the caller's transaction.
 */
export async function verifyEmail(
  ctx: Ctx,
  { accountId, email, subject }: { accountId: string; email: string; subject: string },
): Promise<boolean> {
  const row = { id: ctx.ids.next(), accountId, email, subject, at: ctx.clock.now() };
  if ((await store.insertVerifiedEmail(ctx, row)).length === 0) {
    const account = await readAccount(ctx, accountId);
    if (account?.email !== email || account.status !== "active") return false;
    throw new DomainError("EMAIL_TAKEN", undefined, { field: "email" });
  }
  accountRows(ctx).wrote(ctx, accountId);
  return true;
}

/** Hashes the secret that is to take the place of an account's. Whoever could sign before goes on doing so. */
export async function hashReset(ctx: Ctx, accountId: string, secret: string): Promise<KeptSecret> {
  const [kept] = await findSecret(ctx, { accountId });
  const couldSign = (kept?.secretSealed ?? null) !== null && ctx.settings.auth.signatures !== "off";
  return {
    accountId,
    secretPhc: await ctx.hasher.hash(secret, "known"),
    secretSealed: sealSecret(ctx, { accountId, secret, signatures: couldSign }),
  };
}

/**
 * Gives an account another secret, whatever it was. One that had no login gets its verified address as such, and is not anonymous
 * any more. Throws LOGIN_TAKEN when somebody else has that. Runs in the caller's transaction.
 */
export async function resetSecretTo(ctx: Ctx, kept: KeptSecret, email: string): Promise<void> {
  await store.lockAccount(ctx, kept);
  if ((await store.setSecret(ctx, kept)).length > 0) return;
  await addLogin(ctx, { ...kept, login: email });
  await store.deleteAnonymous(ctx, kept);
}

/** Makes an account whose tokens are the only way in. */
export async function makeAnonymous(ctx: Ctx, name: string): Promise<string> {
  const row = { id: ctx.ids.next(), identityId: ctx.ids.next(), name, at: ctx.clock.now() };
  return ctx.transaction(async (tx) => {
    await store.insertAnonymous(tx, row);
    await tx.audit.record(tx, { type: "account.created", accountId: row.id, detail: { method: "anonymous" } });
    return row.id;
  });
}

/**
 * Gives an account that has none a login and secret; an anonymous one is anonymous no more. Throws LOGIN_PRESENT, LOGIN_TAKEN,
 * INVALID_LOGIN, SECRET_TOO_SHORT, SIGNATURES_OFF. `name` replaces the account's name unless it is empty.
 */
export async function upgradeToLogin(
  ctx: Ctx,
  input: { accountId: string; login: string; secret: string; name: string; signatures: boolean },
): Promise<AccountRow> {
  const { accountId, login, secret } = input;
  checkNewSecret(ctx, secret, "secret");
  foldLogin(login);
  const secretSealed = sealSecret(ctx, input);
  const [before] = await findSecret(ctx, { accountId });
  // Said before anything costly is done, and made sure of when the login is inserted.
  if (before !== undefined) throw new DomainError("LOGIN_PRESENT");
  const kept = { accountId, secretSealed, secretPhc: await ctx.hasher.hash(secret, "known") };
  return ctx.transaction(
    async (tx) => {
      await store.lockAccount(tx, { accountId });
      await addLogin(tx, { ...kept, login });
      await store.deleteAnonymous(tx, { accountId });
      await rename(tx, accountId, input.name);
      await tx.audit.record(tx, { type: "anonymous.upgraded", accountId });
      accountRows(tx).wrote(tx, accountId);
      return freshAccount(tx, accountId);
    },
    { retry: 3 },
  );
}

/** Adds the login of an account that is held and has none. Throws LOGIN_PRESENT, LOGIN_TAKEN. */
async function addLogin(ctx: Ctx, input: KeptSecret & { login: string }): Promise<void> {
  const { login } = input;
  const row = { ...input, id: ctx.ids.next(), subject: foldLogin(login), at: ctx.clock.now() };
  const [outcome] = await store.insertLogin(ctx, row).catch(rethrowTaken);
  if (outcome!.taken) throw loginTaken();
  if (!outcome!.added) throw new DomainError("LOGIN_PRESENT");
}

/** A short name that was made of the name is made of the new one. */
async function rename(ctx: Ctx, accountId: string, name: string): Promise<void> {
  if (name === "") return;
  const account = await freshAccount(ctx, accountId);
  const paths = account.alias === account.name ? ["name", "alias"] : ["name"];
  await updateAccount(ctx, { id: accountId, values: { ...account, name, alias: "" }, paths });
}
