import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import type { Database } from "../../platform/db/index.js";
import { type EventPruner, eventPruner } from "../../platform/events/index.js";
import { forgetNodes } from "./store-presence.js";

/** How far each database's log was looked through: with a new process that begins anew. */
const pruners = new WeakMap<Database, EventPruner>();

/** Forgets events that are older than they are kept, and those of topics that have too many. */
export const pruneEvents = tidying<JobCtx>("backstay.events.prune", "5 */5 * * * *", async (ctx) => {
  const { retention, retentionPerTopic } = ctx.settings.events;
  const before = new Date(ctx.clock.now().getTime() - retention);
  const prune = pruners.get(ctx.database) ?? eventPruner();
  pruners.set(ctx.database, prune);
  await prune({ db: ctx.database, signal: ctx.signal }, { before, perTopic: retentionPerTopic });
});

/** Forgets nodes that are gone for good. */
export const prunePresence = tidying<JobCtx>("backstay.presence.prune", "35 */5 * * * *", async (ctx) => {
  await forgetNodes({ db: ctx.database }, {});
});
