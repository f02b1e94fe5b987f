import type { Ctx, Idempotency, Ports } from "../context.js";
import type { Caller } from "../kernel/caller.js";
import { ConflictError, type Database, type Db } from "../platform/db/index.js";
import type { Call } from "./call.js";

/** Makes the context of a call. It inherits the ports, so that making one costs next to nothing. */
export function contextOf(ports: Ports, call: Call, idempotency: Idempotency | undefined): Ctx {
  const ctx = Object.create(ports) as CallContext;
  ctx.caller = call.caller;
  ctx.requestId = call.requestId;
  ctx.idempotency = idempotency;
  ctx.db = call.canEnd ? ports.database.during(call.signal) : ports.database;
  ctx.afterCommit = runNow;
  ctx.transaction = (verb, options) => transaction(ctx, ports.database, call, verb, options?.retry ?? 0);
  Object.defineProperty(ctx, "signal", { get: () => call.signal });
  return ctx;
}

type CallContext = { -readonly [Name in keyof Ctx]: Ctx[Name] } & { caller: Caller; db: Db };

const runNow = (effect: () => void) => effect();

async function transaction<T>(
  outer: Ctx,
  database: Database,
  call: Call,
  verb: (ctx: Ctx) => Promise<T>,
  retry: number,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const effects: (() => void)[] = [];
    try {
      const result = await database.transaction(
        (db) => {
          const inner = Object.create(outer) as CallContext;
          inner.db = db;
          inner.afterCommit = (effect) => effects.push(effect);
          inner.transaction = (nested) => nested(inner);
          return verb(inner);
        },
        call.canEnd ? call.signal : undefined,
      );
      for (const effect of effects) effect();
      return result;
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt >= retry) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** attempt));
    }
  }
}
