export { accountOfWithheld, accountTopic, type EventLog, type LoggedEvent, withheldTopic } from "./events.js";
export { type EventPruner, eventPruner } from "./prune.js";
export { toLoggedEvent } from "./relay.js";
export {
  type EventTitle,
  eraseTopic,
  findPruned,
  type NewEvent,
  readEvent,
  readEvents,
  readHead,
  readPruned,
  readTitles,
  recordFrom,
} from "./store.js";
