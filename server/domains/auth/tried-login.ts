import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { outlasting } from "./outlasting.js";
import { Recent } from "./recent.js";
import * as store from "./store-audit.js";

/** A login whose tries are refused is noted once in so many milliseconds, on each node: the log must not grow with a storm. */
const NOTED_EVERY = 60_000;
/** Most logins that are remembered for that. */
const MOST_LOGINS = 10_000;

const noted = new WeakMap<Ctx["audit"], Recent>();

/** Whose secret was tried, for the audit log: asked also when nobody has the login, so that both take as long. */
export async function accountTried(ctx: Pick<Ctx, "db">, login: string): Promise<string | undefined> {
  return (await store.findNamed(ctx, { subject: login }))[0]?.accountId;
}

/** Notes that tries of a folded login are refused unheard, when that is why `error` was thrown. */
export async function recordThrottled(ctx: Ctx, login: string, error: unknown): Promise<void> {
  if (!(error instanceof DomainError) || error.reason !== "TOO_MANY_TRIES") return;
  if (!isToBeNoted(ctx, login)) return;
  const lasting = outlasting(ctx);
  const accountId = await accountTried(lasting, login);
  await ctx.audit.record(lasting, { type: "sign_in.throttled", accountId, detail: { method: "secret" } });
}

function isToBeNoted({ audit, clock }: Ctx, login: string): boolean {
  const logins = noted.get(audit) ?? new Recent(MOST_LOGINS);
  noted.set(audit, logins);
  const now = clock.now().getTime();
  if (now - logins.timeOf(login) < NOTED_EVERY) return false;
  logins.note(login, now);
  return true;
}
