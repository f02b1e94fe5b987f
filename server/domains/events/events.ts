import type { Ports } from "../../context.js";
import { toTimestampJson } from "../../kernel/timestamp.js";
import { accountTopic } from "../../platform/events/index.js";
import type { PlaceRow } from "./store-presence.js";

/**
 * Tells the followers of each topic who came or went, by an event of the moment whose data is the proto JSON of a Presence. On
 * an account's own topic nothing is told: hardly anybody but its own first stream would hear of it.
 */
export function tellPresence(
  { events, ids, clock }: Pick<Ports, "events" | "ids" | "clock">,
  type: "presence.join" | "presence.leave",
  rows: readonly PlaceRow[],
): void {
  for (const { topic, accountId, since, data } of rows) {
    if (topic === accountTopic(accountId)) continue;
    const said = data !== null && { data: JSON.parse(data) };
    const presence = { accountId, since: toTimestampJson(since), ...said };
    events.tell({
      topic,
      id: ids.next(),
      type,
      actorId: accountId,
      data: JSON.stringify(presence),
      time: clock.now().getTime(),
    });
  }
}
