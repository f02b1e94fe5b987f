/** Every table of the product, for the generator of migrations; nothing else reads this. */
export { accounts, identities } from "../../domains/accounts/schema.js";
export {
  apiKeys,
  authChallenges,
  devices,
  grants,
  oneTimeCodes,
  recoveryCodes,
  signatureUses,
  signInTries,
  totp,
} from "../../domains/auth/schema.js";
export { blocks } from "../../domains/blocks/schema.js";
export { connections } from "../../domains/connections/schema.js";
export { counters, withheldCounts } from "../../domains/counters/schema.js";
export { nodes, presences } from "../../domains/events/schema.js";
export { history } from "../../domains/history/schema.js";
export { messages, withheldMessages } from "../../domains/messages/schema.js";
export { webhooks } from "../../domains/webhooks/schema.js";
export { auditHead, auditInbox, auditLog } from "../audit/schema.js";
export { eventLog, eventPrunes, events, outbox } from "../events/schema.js";
export { crons, jobQueues, jobs, jobWorkers } from "../queue/schema.js";
export { backstay } from "./columns.js";
export { idempotencyKeys, installation } from "./schema.js";
