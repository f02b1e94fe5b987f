import type { Audit } from "./audit.js";
import { insertEntry } from "./store.js";

/** The audit log in the database. */
export function auditLog(): Audit {
  return {
    async record(ctx, { type, accountId, detail = {} }) {
      const { caller } = ctx;
      await insertEntry(ctx, {
        at: ctx.clock.now(),
        type,
        actorKind: caller.kind,
        actorId: caller.kind === "account" ? caller.accountId : undefined,
        accountId,
        address: ctx.client?.address ?? "",
        requestId: ctx.requestId ?? "",
        detail: JSON.stringify(detail),
      });
    },
  };
}
