export { accountTopic, type EventLog, type LoggedEvent } from "./events.js";
export { eventPruner } from "./prune.js";
export { toLoggedEvent } from "./relay.js";
export {
  eraseTopic,
  type NewEvent,
  readEvents,
  readHead,
  readPruned,
  recordFrom,
} from "./store.js";
