import { DomainError } from "../../kernel/errors.js";
import { ConflictError, ConstraintError, LockTimeoutError } from "./db.js";

interface DriverError {
  code?: string;
  constraint_name?: string;
  table_name?: string;
  column_name?: string;
}

const CONSTRAINTS = { "23505": "unique", "23503": "foreign_key", "23514": "check", "23502": "not_null" } as const;

/** SQLSTATEs of a server that is going, coming, or has no connection left. */
const AWAY = new Set(["57P01", "57P02", "57P03", "57P05", "53300", "58000", "25006"]);

/** Codes of the driver and of the socket below it. */
const UNREACHABLE = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** What the driver threw, in words the rest of the house knows. Its own text holds SQL and values, so it stays a cause. */
export function translate(error: unknown): unknown {
  const { code = "", constraint_name, table_name, column_name } = error as DriverError;
  const kind = CONSTRAINTS[code as keyof typeof CONSTRAINTS];
  if (kind !== undefined) return new ConstraintError(kind, constraint_name ?? `${table_name}.${column_name}`);
  if (code === "40001" || code === "40P01") return new ConflictError();
  if (UNREACHABLE.has(code) || AWAY.has(code) || code.startsWith("08")) {
    return new DomainError("DATABASE_UNAVAILABLE", undefined, { retryAfterMs: 500, cause: error });
  }
  if (code === "55P03") return new LockTimeoutError(error);
  if (code === "57014") return new DomainError("QUERY_TIMEOUT", undefined, { cause: error });
  return error;
}
