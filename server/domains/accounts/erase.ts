import type { EraseCtx, JobCtx } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { erasing } from "../../kernel/erasing.js";
import { FinalError } from "../../kernel/final-error.js";
import { accountTopic, withheldTopic } from "../../platform/events/index.js";
import * as store from "./store.js";

const NAME = "backstay.accounts.erase";

/** Transactions that wrote something of the account while it was deleted are over by then, in milliseconds. */
const AFTERWARDS = 60_000;
/** Nobody asks for it, and it is the server that tells of it. */
const ITSELF: Caller = { kind: "operator", roles: ["admin"] };

/** Erases what the transaction that deleted an account could not: what NATS keeps of it, and what others were writing meanwhile. */
export const eraseJob = erasing(NAME, eraseRest);

/** Has the rest of an account erased: at once, and again when whoever was writing for it has ended. */
export async function submitErase(ctx: EraseCtx, accountId: string): Promise<void> {
  const job = { name: NAME, args: { accountId } };
  await ctx.jobs.submit(ctx, [job, { ...job, delayMs: AFTERWARDS }]);
}

async function eraseRest(ctx: JobCtx, accountId: string): Promise<void> {
  const { database } = ctx;
  const effects: (() => void)[] = [];
  await database.transaction(async (db) => {
    if ((await store.findAccounts({ db }, { ids: [accountId] })).length > 0)
      throw new FinalError("the account is there");
    const tx = { db, caller: ITSELF, afterCommit: (effect: () => void) => void effects.push(effect) };
    await ctx.erase(Object.assign(Object.create(ctx) as JobCtx, tx), accountId);
  });
  for (const effect of effects) effect();
  for (const topic of [accountTopic(accountId), withheldTopic(accountId)]) await ctx.events.forget(topic);
}
