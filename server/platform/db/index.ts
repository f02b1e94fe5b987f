export { backstay, bytes, id, moment } from "./columns.js";
export { ConflictError, ConstraintError, type Database, type Db } from "./db.js";
export { claimKey, type KeyInput, pruneKeys, replayedResource } from "./idempotency.js";
export { type Parameters, type Statement, statement } from "./statement.js";
