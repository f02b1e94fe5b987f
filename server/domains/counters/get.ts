import type { Ctx } from "../../context.js";
import { whose } from "./names.js";
import { counterRows, freshCounters } from "./rows.js";
import { type CounterValues, seenCounters } from "./seen.js";

/** An account's counters: all for itself and administrators, the public ones for others. */
export async function getCounters(ctx: Ctx, input: { accountId: string }): Promise<CounterValues> {
  const accountId = whose(ctx, input.accountId);
  const record = await counterRows(ctx).read(ctx, accountId, (source) => freshCounters(source, accountId));
  return seenCounters(ctx, accountId, record);
}
