export { PRUNE_BATCH, pruneAll } from "./batches.js";
export { backstay, bytes, exactly, id, moment } from "./columns.js";
export { ConflictError, ConstraintError, type Database, type Db, LockTimeoutError } from "./db.js";
export { parametersOf, runSql } from "./dynamic.js";
export {
  type Column,
  type Columns,
  conditionsOf,
  type Filter,
  filtersKey,
  type Rights,
  useColumn,
} from "./filter.js";
export { claimKey, findKeys, type KeyInput, pruneKeys, replayedResource } from "./idempotency.js";
export { adoptKey, readFingerprint } from "./installation.js";
export { readAll, readPage } from "./page.js";
export { retried } from "./retry.js";
export { type SealedColumn, type SealedRow, sealedColumn } from "./sealed.js";
export { type Parameters, type Statement, statement } from "./statement.js";
