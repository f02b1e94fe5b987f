import type { Ctx, JobCtx } from "../../context.js";
import { ANONYMOUS } from "../../kernel/caller.js";
import { FinalError } from "../../kernel/final-error.js";
import { parseId } from "../../kernel/ids.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { mailing } from "../../kernel/mailing.js";
import { foldEmail } from "../accounts/index.js";
import { codeMail } from "./code-mail.js";
import { drawCode } from "./codes.js";
import * as store from "./store-codes.js";

const NAME = "backstay.auth.send_code";

/** Asked for again so soon, a code is not sent again, in milliseconds: somebody has clicked twice. */
const TWICE = 10_000;

/** For how long a new address gets no code for a new secret: the one before has been told, and somebody has to read that. */
const UNSETTLED = 24 * 3_600_000;

/** What logins are sealed for: people type secrets where a login belongs, and arguments of jobs can be read. */
const TYPED = "reset-secret";

/**
 * Draws a code and mails it. The code stands nowhere but in the mail: an attempt that fails is followed by one that draws another.
 * A login is looked up here, so that whoever asks learns nothing by how long the answer takes.
 */
export const sendCodeJob = mailing<JobCtx>({
  name: NAME,
  check: async (args) => {
    const isAccount = typeof args.accountId === "string" && parseId(args.accountId) === args.accountId;
    return isAccount || typeof args.login === "string"
      ? { args }
      : { issues: [{ path: "", message: "must name an account or a sealed login" }] };
  },
  run: sendCode,
});

/** Has a code sent to the address of an account, which shows that it is the account's. */
export async function submitVerification(
  ctx: Ctx,
  { accountId, email }: { accountId: string; email: string },
): Promise<void> {
  await submit(ctx, { accountId }, `${accountId} ${email}`);
}

/** Has a code sent to whom a folded login names, if it names anybody. */
export async function submitReset(ctx: Ctx, subject: string): Promise<void> {
  const login = ctx.key.seal("typed-login", subject, TYPED).toString("base64url");
  await submit(ctx, { login }, subject);
}

async function submit(ctx: Ctx, args: JsonObject, once: string): Promise<void> {
  const mark = ctx.key.mac("one-time-code", `once ${Object.keys(args).join()} ${once}`).toString("base64url");
  await ctx.jobs.submit(ctx, [{ name: NAME, args, uniqueKey: `${NAME}/${mark}`, uniqueForMs: TWICE }]);
}

async function sendCode(args: JsonObject, ctx: JobCtx): Promise<void> {
  const from = { db: ctx.database };
  const purpose = typeof args.accountId === "string" ? "verify-email" : "reset-secret";
  const at = ctx.clock.now();
  const settledAt = new Date(at.getTime() - UNSETTLED);
  const [recipient] =
    purpose === "verify-email"
      ? await store.findAddress(from, { accountId: args.accountId as string })
      : await store.findVerifiedAddress(from, { subject: openLogin(ctx, args.login as string), settledAt });
  const target = recipient && foldEmail(recipient.email);
  if (recipient === undefined || target === undefined) return;

  const { accountId, email, name } = recipient;
  const { code, codeMac } = drawCode(ctx, { accountId, purpose, target });
  const expiresAt = new Date(at.getTime() + ctx.settings.auth.codeTtl);
  // Kept at once, not with the end of the job: whoever has the mail can use the code.
  const kept = await store.putCode(from, { accountId, purpose, target, codeMac, at, expiresAt });
  if (kept.length === 0) return;
  await ctx.mailer.send({ to: email, ...codeMail(ctx.settings, { purpose, code, name }) });
  if (purpose === "verify-email") return;
  const source = { ...from, clock: ctx.clock, caller: ANONYMOUS, afterCommit: (effect: () => void) => effect() };
  await ctx.audit.record(source, { type: "secret.reset_asked", accountId });
}

function openLogin(ctx: JobCtx, sealed: string): string {
  const subject = ctx.key.open("typed-login", Buffer.from(sealed, "base64url"), TYPED);
  if (subject === undefined) throw new FinalError("the login was sealed under a key that is gone");
  return subject;
}
