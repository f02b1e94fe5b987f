export { backstay, bytes, id, moment } from "./columns.js";
export { ConflictError, ConstraintError, type Database, type Db } from "./db.js";
export { type Parameters, type Statement, statement } from "./statement.js";
export { claimKey, type KeyInput, pruneKeys, replayedResource } from "./idempotency.js";
