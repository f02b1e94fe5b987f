import type { Manifest } from "../../manifest.js";
import { accountTopic, eraseTopic, withheldTopic } from "../../platform/events/index.js";
import { erasePresence } from "./erase-presence.js";
import { eventHandler } from "./handler.js";
import { exportEvents } from "./handler-export.js";
import { pruneEvents, prunePresence } from "./jobs.js";

export { compatEvent } from "./compat-event.js";
export { createPresence } from "./presence.js";
export { type AppEvent, publishEvent } from "./publish.js";
export { RECHECK, type Recheck } from "./recheck.js";

export const eventsDomain: Manifest = {
  name: "events",
  services: [eventHandler],
  erase: async (ctx, accountId) => {
    await eraseTopic(ctx, { topic: accountTopic(accountId) });
    await eraseTopic(ctx, { topic: withheldTopic(accountId) });
    await erasePresence(ctx, accountId);
  },
  export: exportEvents,
  jobs: [pruneEvents, prunePresence],
};
