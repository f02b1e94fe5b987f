import type { Ctx, EraseCtx, JobCtx } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { tidying } from "../../kernel/tidying.js";
import { type Db, retried } from "../../platform/db/index.js";
import { type AccountRow, callerAccount, makeAnonymous, removeAccount, upgradeToLogin } from "../accounts/index.js";
import { openSignIn, type SignedIn } from "./open-sign-in.js";
import { checkRecentSignIn } from "./recent-sign-in.js";
import { findUnreachable, holdUnreachable } from "./store-anonymous.js";

/** What people without a name are called. */
const NAMELESS = "Guest";

export async function signInAnonymously(
  ctx: Ctx,
  input: { name: string; cookie: boolean; deviceName: string },
): Promise<SignedIn> {
  if (!ctx.settings.auth.anonymous) throw new DomainError("ANONYMOUS_OFF");
  if (!ctx.settings.accounts.openRegistration) throw new DomainError("REGISTRATION_CLOSED");
  const { cookie, deviceName } = input;
  if (cookie) ctx.session.check();
  checkOneLine(deviceName, "deviceName");
  const accountId = await makeAnonymous(ctx, input.name || NAMELESS);
  return openSignIn(ctx, { accountId, method: "anonymous", cookie, deviceName });
}

export async function upgradeAnonymous(
  ctx: Ctx,
  input: { login: string; secret: string; name: string; signatures: boolean },
): Promise<AccountRow> {
  const accountId = callerAccount(ctx);
  await checkRecentSignIn(ctx);
  return upgradeToLogin(ctx, { ...input, accountId });
}

/** It is the server that tells of it. */
const ITSELF: Caller = { kind: "operator", roles: ["admin"] };

/** Deletes anonymous accounts that nobody can come back to, some time after their last token has gone. */
export const forgetAnonymous = tidying<JobCtx>("backstay.auth.forget_anonymous", "40 12 * * * *", async (ctx) => {
  const at = ctx.clock.now();
  const times = { at, before: new Date(at.getTime() - ctx.settings.auth.refreshMaxTtl) };
  let after = "0".repeat(32);
  for (;;) {
    const batch = await findUnreachable({ db: ctx.database }, { ...times, after });
    for (const { id } of batch) {
      ctx.signal.throwIfAborted();
      await forget(ctx, { ...times, id });
    }
    const last = batch.at(-1);
    if (last === undefined) return;
    after = last.id;
    await ctx.heartbeat();
  }
});

async function forget(ctx: JobCtx, which: { id: string; before: Date; at: Date }): Promise<void> {
  const remove = async (db: Db) => {
    const effects: (() => void)[] = [];
    const own = { db, caller: ITSELF, afterCommit: (effect: () => void) => void effects.push(effect) };
    const tx: EraseCtx = Object.assign(Object.create(ctx) as JobCtx, own);
    if ((await holdUnreachable(tx, which)).length > 0) await removeAccount(tx, which.id);
    return effects;
  };
  const effects = await retried(() => ctx.database.transaction(remove));
  for (const effect of effects) effect();
}
