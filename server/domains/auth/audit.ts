import type { Ctx, JobCtx } from "../../context.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { tidying } from "../../kernel/tidying.js";
import { readPage } from "../../platform/db/index.js";

const DEFAULT_PAGE = 50;

/** An entry of the audit log. */
export type AuditRow = Awaited<ReturnType<Ctx["audit"]["list"]>>[number];

/** What is empty chooses all. */
export interface ListAuditEventsInput {
  /** One type, or all that begin with what stands before the star of `sign_in.*`. */
  type: string;
  /** Who did it, or whom it was done to. */
  accountId: string;
  since: Date | undefined;
  descending: boolean;
  pageSize: number;
  pageToken: string;
}

/** Entries in the order they were chained, or the reverse. */
export async function listAuditEvents(
  ctx: Ctx,
  input: ListAuditEventsInput,
): Promise<{ events: AuditRow[]; nextPageToken: string }> {
  const { type, since, descending } = input;
  const accountId = parseId(input.accountId);
  const query = { list: "audit", type, accountId: input.accountId, since: since?.getTime() ?? null, descending };
  const [from] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  // An id that can name nothing has done nothing.
  if (input.accountId !== "" && accountId === undefined) return { events: [], nextPageToken: "" };
  const wanted = { type: type || undefined, accountId, since, descending };
  const after = from === undefined ? undefined : BigInt(from);
  const { rows, next } = await readPage<AuditRow>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    ctx.audit.list(ctx, { ...wanted, after, limit }),
  );
  return {
    events: rows,
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [String(next.sequence)]),
  };
}

/** How far a check of the audit log is. */
export interface AuditCheck {
  checked: number;
  /** The place of the last entry that was checked. */
  sequence: bigint;
  done: boolean;
  /** What is wrong, and where; the check ends there. */
  fault?: { sequence: bigint; says: string };
}

/** Checks the audit log from its first entry to its last; what it says last is `done`. */
export async function* verifyAuditLog(ctx: Ctx): AsyncGenerator<AuditCheck> {
  let last: Omit<AuditCheck, "done"> | undefined;
  for await (const progress of ctx.audit.verify(ctx)) {
    if (last !== undefined) yield { ...last, done: false };
    last = progress;
  }
  if (last !== undefined) yield { ...last, done: true };
}

/** Forgets what was kept for `audit.retention`. */
export const pruneAudit = tidying<JobCtx>("backstay.audit.prune", "35 7 * * * *", async (ctx) => {
  const before = new Date(ctx.clock.now().getTime() - ctx.settings.auditRetention);
  await ctx.audit.prune(before, ctx.signal);
});
