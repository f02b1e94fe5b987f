import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import * as store from "./store-audit.js";

/** A login whose tries are refused is noted once in so many milliseconds, on each node: the log must not grow with a storm. */
const NOTED_EVERY = 60_000;
/** Most logins that are remembered for that; the oldest go first. */
const MOST_LOGINS = 10_000;

const noted = new WeakMap<Ctx["audit"], Map<string, number>>();

/** Whose secret was tried, for the audit log: asked also when nobody has the login, so that both take as long. */
export async function accountTried(ctx: Ctx, login: string): Promise<string | undefined> {
  return (await store.findNamed(ctx, { subject: login }))[0]?.accountId;
}

/** Notes that tries of a folded login are refused unheard, when that is why `error` was thrown. */
export async function recordThrottled(ctx: Ctx, login: string, error: unknown): Promise<void> {
  if (!(error instanceof DomainError) || error.reason !== "TOO_MANY_TRIES") return;
  if (!isToBeNoted(ctx, login)) return;
  const accountId = await accountTried(ctx, login);
  await ctx.audit.record(ctx, { type: "sign_in.throttled", accountId, detail: { method: "secret" } });
}

function isToBeNoted({ audit, clock }: Ctx, login: string): boolean {
  const logins = noted.get(audit) ?? new Map<string, number>();
  noted.set(audit, logins);
  const now = clock.now().getTime();
  const last = logins.get(login);
  if (last !== undefined && now - last < NOTED_EVERY) return false;
  // The last noted is the last to go.
  logins.delete(login);
  logins.set(login, now);
  const [oldest] = logins.keys();
  if (logins.size > MOST_LOGINS) logins.delete(oldest!);
  return true;
}
