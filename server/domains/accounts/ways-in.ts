import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { submitAdded } from "./added-mail.js";
import { changeEvent } from "./change-event.js";
import { checkSigningLogin, foldLogin } from "./login.js";
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
  const row = { id: ctx.ids.next(), accountId, email, subject, ...changeEvent(ctx, accountId, ["email_verified"]) };
  if ((await store.insertVerifiedEmail(ctx, row)).length === 0) {
    const account = await readAccount(ctx, accountId);
    if (account?.email !== email || account.status !== "active") return false;
    throw new DomainError("EMAIL_TAKEN", undefined, { field: "email" });
  }
  wrote(ctx, accountId);
  return true;
}

/**
 * Hashes the secret that is to take the place of an account's; `email` is the login of one that has none. Whoever could sign before
 * goes on doing so.
 */
export async function hashReset(
  ctx: Ctx,
  { accountId, email, secret }: { accountId: string; email: string; secret: string },
): Promise<KeptSecret> {
  const [kept] = await findSecret(ctx, { accountId });
  const couldSign = (kept?.secretSealed ?? null) !== null && ctx.settings.auth.signatures !== "off";
  return {
    accountId,
    secretPhc: await ctx.hasher.hash(secret, "known"),
    secretSealed: sealSecret(ctx, { accountId, login: kept?.login ?? email, secret, signatures: couldSign }),
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
  checkOneLine(name, "name");
  const row = { id: ctx.ids.next(), identityId: ctx.ids.next(), name, at: ctx.clock.now() };
  return ctx.transaction(async (tx) => {
    await store.insertAnonymous(tx, row);
    await tx.audit.record(tx, { type: "account.created", accountId: row.id, detail: { method: "anonymous" } });
    return row.id;
  });
}

/**
 * Gives an account that has none a login and secret; an anonymous one is anonymous no more. Throws LOGIN_PRESENT, LOGIN_TAKEN,
 * INVALID_LOGIN, SECRET_TOO_SHORT, SIGNATURES_OFF; REGISTRATION_CLOSED for an anonymous one; INVALID_TOKEN when the account is gone.
 * `name` replaces the account's name unless it is empty.
 */
export async function upgradeToLogin(
  ctx: Ctx,
  input: { accountId: string; login: string; secret: string; name: string; signatures: boolean },
): Promise<AccountRow> {
  const { accountId, login, secret } = input;
  checkNewSecret(ctx, secret, "secret");
  checkOneLine(input.name, "name");
  if (input.signatures) checkSigningLogin(login, "login");
  const secretSealed = sealSecret(ctx, input);
  // Said before anything costly is done, and made sure of when the login is inserted.
  const [asked] = await store.findUpgrade(ctx, { accountId, subject: foldLogin(login) });
  if (asked?.hasLogin) throw new DomainError("LOGIN_PRESENT");
  if (asked?.isAnonymous && !ctx.settings.accounts.openRegistration) throw new DomainError("REGISTRATION_CLOSED");
  if (asked?.isTaken) throw loginTaken();
  // Anyone may have such accounts, and as many as he likes: he waits with the strangers.
  const kept = { accountId, secretSealed, secretPhc: await ctx.hasher.hash(secret) };
  return ctx.transaction(
    async (tx) => {
      if ((await store.lockAccount(tx, { accountId })).length === 0) throw new DomainError("INVALID_TOKEN");
      await addLogin(tx, { ...kept, login });
      await store.deleteAnonymous(tx, { accountId });
      await rename(tx, accountId, input.name);
      await tx.audit.record(tx, { type: "anonymous.upgraded", accountId });
      await submitAdded(tx, accountId, "login");
      return freshAccount(tx, accountId);
    },
    { retry: 3 },
  );
}

/** Adds the login of an account that is held and has none. Throws LOGIN_PRESENT, LOGIN_TAKEN. */
async function addLogin(ctx: Ctx, input: KeptSecret & { login: string }): Promise<void> {
  const { accountId, login } = input;
  const row = { ...input, id: ctx.ids.next(), subject: foldLogin(login), ...changeEvent(ctx, accountId, ["login"]) };
  const [outcome] = await store.insertLogin(ctx, row).catch(rethrowTaken);
  if (outcome!.taken) throw loginTaken();
  if (!outcome!.added) throw new DomainError("LOGIN_PRESENT");
  wrote(ctx, accountId);
}

/** Nobody is to read the account as it was, and whoever follows it is told. */
function wrote(ctx: Ctx, accountId: string): void {
  accountRows(ctx).wrote(ctx, accountId);
  ctx.afterCommit(() => ctx.events.wake());
}

async function rename(ctx: Ctx, accountId: string, name: string): Promise<void> {
  if (name === "") return;
  const account = await freshAccount(ctx, accountId);
  await updateAccount(ctx, { id: accountId, values: { ...account, name }, paths: ["name"] });
}
