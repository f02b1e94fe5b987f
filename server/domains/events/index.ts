import type { Manifest } from "../../manifest.js";
import { accountTopic, eraseTopic, eventPruner } from "../../platform/events/index.js";
import { eventHandler } from "./handler.js";

export { compatEvent } from "./compat-event.js";

const prune = eventPruner();

export const eventsDomain: Manifest = {
  name: "events",
  services: [eventHandler],
  erase: async (ctx, accountId) => {
    await eraseTopic(ctx, { topic: accountTopic(accountId) });
  },
  prune: async (ports) => {
    const { retention, retentionPerTopic } = ports.settings.events;
    const before = new Date(ports.clock.now().getTime() - retention);
    await prune({ db: ports.database }, { before, perTopic: retentionPerTopic });
  },
};
