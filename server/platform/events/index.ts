export { accountTopic, type EventLog, eventSubject, type LoggedEvent } from "./events.js";
export { toLoggedEvent } from "./relay.js";
export {
  eraseTopic,
  type NewEvent,
  pruneEvents,
  readEvents,
  readHead,
  readPruned,
  recordFrom,
} from "./store.js";
