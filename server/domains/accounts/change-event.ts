import type { Ctx } from "../../context.js";
import { accountTopic, type NewEvent } from "../../platform/events/index.js";

/** What an account is told, in its own topic, of a change of itself; `changed` are fields by their names in the contract. */
export function changeEvent(ctx: Pick<Ctx, "ids" | "clock" | "caller">, id: string, changed: string[]): NewEvent {
  return {
    eventId: ctx.ids.next(),
    topics: [accountTopic(id)],
    eventType: "account.update",
    actorId: ctx.caller.kind === "account" ? ctx.caller.accountId : undefined,
    eventData: { changed },
    at: ctx.clock.now(),
  };
}
