import { DomainError } from "../../kernel/errors.js";

/** Whether a text comes again and again, or is of one call only. */
export type Use = "prepared" | "once";

/** Where statements run: the pool, or a transaction. */
export interface Db {
  /**
   * Runs SQL: prepared on the connection for its next use, or once, leaving nothing behind. Throws DomainError when the
   * database is away or too slow, ConstraintError when a rule is broken.
   */
  run<Row>(text: string, values: readonly unknown[], use?: Use): Promise<Row[]>;
}

/** The database of the installation. */
export interface Database extends Db {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The same database for one call: its statements are cancelled when the signal fires. */
  during(signal: AbortSignal): Db;
  /** One transaction; `signal` cancels the statement that runs. */
  transaction<T>(work: (db: Db) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Several statements without parameters, sent and committed as one; answers the rows of the last. */
  batch<Row>(text: string): Promise<Row[]>;
}

/** A write broke a constraint; the store that owns it knows what that means. */
export class ConstraintError extends Error {
  override readonly name = "ConstraintError";
  constructor(
    readonly kind: "unique" | "foreign_key" | "check" | "not_null",
    readonly constraint: string,
  ) {
    super(`constraint ${constraint} (${kind})`);
  }
}

/** A transaction met others at the same rows and was rolled back; doing it again may work. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** A statement waited for a lock as long as it may. Whoever asked for it is told that the database took too long. */
export class LockTimeoutError extends DomainError {
  constructor(cause: unknown) {
    super("QUERY_TIMEOUT", undefined, { cause });
  }
}
