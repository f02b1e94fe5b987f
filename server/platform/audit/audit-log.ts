import { pruneAll } from "../db/index.js";
import type { Audit } from "./audit.js";
import { type ChainerParts, chainer } from "./chainer.js";
import { isCurrent, isGenuine } from "./head.js";
import { pruneBatch } from "./prune.js";
import { insertEntry } from "./store.js";
import { listEntries, readHead } from "./store-read.js";
import { verifyLog } from "./verify.js";

/** The audit log in the database. From start to stop this node gives entries their places. */
export function auditLog(parts: ChainerParts): Audit & { start(): void; stop(): Promise<void> } {
  const { database, key } = parts;
  const { start, stop, wake } = chainer(parts);
  return {
    start,
    stop,
    async record(ctx, { type, accountId, detail = {} }) {
      const { caller } = ctx;
      const byApiKeyId = caller.kind === "anonymous" ? undefined : caller.apiKeyId;
      await insertEntry(ctx, {
        at: ctx.clock.now(),
        type,
        // Nobody calls a job of the server's own.
        actorKind: caller.kind === "operator" && ctx.requestId === undefined ? "server" : caller.kind,
        actorId: caller.kind === "account" ? caller.accountId : undefined,
        accountId,
        address: ctx.client?.address ?? "",
        requestId: ctx.requestId ?? "",
        detail: JSON.stringify({ ...detail, ...(byApiKeyId !== undefined && { byApiKeyId }) }),
      });
      ctx.afterCommit(wake);
    },
    list: listEntries,
    verify: (ctx) => verifyLog(ctx, key),
    async isUnderCurrentKey(ctx) {
      const [head] = await readHead(ctx, {});
      // What somebody else has written in stays as it is, whichever keys there are.
      return head === undefined || isCurrent(key, head) || !isGenuine(key, head);
    },
    async prune(before, signal) {
      await pruneAll(() => pruneBatch(database, key, before), signal);
    },
  };
}
