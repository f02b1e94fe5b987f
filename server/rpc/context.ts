import type { Client, Ctx, Idempotency, KeptCookies, Ports, SessionCookie } from "../context.js";
import type { Caller } from "../kernel/caller.js";
import { withoutControls } from "../kernel/one-line.js";
import { ConflictError, type Database, type Db } from "../platform/db/index.js";
import type { Call } from "./call.js";
import type { IsAllowedOrigin } from "./origins.js";
import { keptCookies, localOriginOf, type SessionOptions, sessionOf } from "./session-cookie.js";

/** The most of what a program says of itself. */
const MOST_USER_AGENT = 256;

/** What makes the contexts of calls. They inherit the ports, so that making one costs next to nothing. */
export function contextMaker(
  ports: Ports,
  isAllowedOrigin: IsAllowedOrigin,
): (call: Call, idempotency: Idempotency | undefined) => Ctx {
  const sessions = (): SessionOptions => {
    const { publicUrl, auth } = ports.settings;
    return { isAllowedOrigin, signatureName: auth.signatureName, publicUrl };
  };

  class CallContext {
    readonly caller: Caller;
    readonly requestId: string;
    readonly db: Db;

    constructor(
      private readonly call: Call,
      readonly idempotency: Idempotency | undefined,
    ) {
      this.caller = call.caller;
      this.requestId = call.requestId;
      this.db = call.canEnd ? ports.database.during(call.signal) : ports.database;
    }

    get signal(): AbortSignal {
      return this.call.signal;
    }

    get session(): SessionCookie {
      return sessionOf(this.call, sessions());
    }

    get kept(): KeptCookies {
      return keptCookies(this.call, sessions());
    }

    get client(): Client {
      const { remote, request, door } = this.call;
      const userAgent = withoutControls(request.headers["user-agent"] ?? "").slice(0, MOST_USER_AGENT);
      const localOrigin = localOriginOf(request, ports.settings.publicUrl);
      return { address: remote, userAgent, localOrigin, isCompat: door === "compat" };
    }

    afterCommit(effect: () => void): void {
      effect();
    }

    transaction<T>(verb: (ctx: Ctx) => Promise<T>, options?: { retry?: number }): Promise<T> {
      return transaction(this as unknown as Ctx, ports.database, this.call, verb, options?.retry ?? 0);
    }
  }
  Object.setPrototypeOf(CallContext.prototype, ports);
  return (call, idempotency) => new CallContext(call, idempotency) as unknown as Ctx;
}

type Writable = { -readonly [Name in keyof Ctx]: Ctx[Name] };

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
          const inner = Object.create(outer) as Writable;
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
