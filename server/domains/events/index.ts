import type { Manifest } from "../../manifest.js";
import { accountTopic, eraseTopic, eventPruner } from "../../platform/events/index.js";
import { erasePresence } from "./erase-presence.js";
import { eventHandler } from "./handler.js";
import { forgetNodes } from "./store-presence.js";

export { compatEvent } from "./compat-event.js";
export { createPresence } from "./presence.js";
export { type AppEvent, publishEvent } from "./publish.js";
export { RECHECK, type Recheck } from "./recheck.js";

const prune = eventPruner();

export const eventsDomain: Manifest = {
  name: "events",
  services: [eventHandler],
  erase: async (ctx, accountId) => {
    await eraseTopic(ctx, { topic: accountTopic(accountId) });
    await erasePresence(ctx, accountId);
    ctx.afterCommit(() => void ctx.events.forget(accountTopic(accountId)));
  },
  prune: async (ports) => {
    const { retention, retentionPerTopic } = ports.settings.events;
    const before = new Date(ports.clock.now().getTime() - retention);
    await prune({ db: ports.database }, { before, perTopic: retentionPerTopic });
    await forgetNodes({ db: ports.database }, {});
  },
};
