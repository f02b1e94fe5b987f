import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { checkNewSecret, foldLogin, hashReset, resetSecretTo } from "../accounts/index.js";
import { isSentCode } from "./codes.js";
import { submitReset } from "./mail-jobs.js";
import { revokeAll } from "./revoke.js";
import * as store from "./store-codes.js";
import { beginTry, withTry } from "./throttle.js";

export async function requestSecretReset(ctx: Ctx, login: string): Promise<void> {
  const subject = foldLogin(login);
  await beginTry(ctx, { purpose: "reset-mail", subject });
  await submitReset(ctx, subject);
}

export async function resetSecret(ctx: Ctx, input: { login: string; code: string; secret: string }): Promise<void> {
  const subject = foldLogin(input.login);
  checkNewSecret(ctx, input.secret, "secret");
  await withTry(ctx, { purpose: "reset-code", subject }, "INVALID_CODE", () => resetBy(ctx, subject, input));
}

async function resetBy(ctx: Ctx, subject: string, input: { code: string; secret: string }): Promise<void> {
  const [tried] = await store.tryResetCode(ctx, { subject, at: ctx.clock.now() });
  const sent = store.codeOf(tried);
  if (sent === undefined || !isSentCode(ctx, sent, input.code)) throw invalidCode();
  // Whatever else keeps it from serving now, it was none of the five that may be wrong.
  await store.untryCode({ db: ctx.database }, sent);
  const { accountId, email } = sent;
  const kept = await hashReset(ctx, { accountId, email, secret: input.secret });
  await ctx.transaction(
    async (tx) => {
      const taken = await store.takeCode(tx, sent);
      if (taken.length === 0) throw invalidCode();
      await resetSecretTo(tx, kept, email);
      await revokeAll(tx, accountId);
      await store.deleteCodes(tx, { accountId });
      await tx.audit.record(tx, { type: "secret.reset", accountId });
    },
    { retry: 3 },
  );
}

/** The same for a login that nobody has as for a code that is wrong. */
function invalidCode(): DomainError {
  return new DomainError("INVALID_CODE", undefined, { field: "code" });
}
