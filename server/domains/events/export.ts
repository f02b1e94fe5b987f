import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import { accountTopic, type LoggedEvent, readEvents, toLoggedEvent } from "../../platform/events/index.js";

/** What was said in an account's own topic and is still kept, oldest first. */
export async function* ownEvents(ctx: ExportCtx, accountId: string): AsyncGenerator<LoggedEvent> {
  const topics = [accountTopic(accountId)];
  const rows = readAll((last: Awaited<ReturnType<typeof readEvents>>[number] | undefined, limit) =>
    readEvents(ctx, { topics, after: Number(last?.logOffset ?? 0), limit }),
  );
  for await (const row of rows) yield toLoggedEvent(row);
}
