import { DomainError } from "../kernel/errors.js";

/** Milliseconds of a `connect-timeout-ms` header. Throws INVALID_HEADER. */
export function connectTimeout(value: string | string[] | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^[0-9]{1,10}$/.test(value)) return timerMs(Number(value));
  throw new DomainError("INVALID_HEADER", "The header connect-timeout-ms must be 1 to 10 digits.");
}

const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout` header. Throws INVALID_HEADER. */
export function grpcTimeout(value: string | string[] | undefined): number | undefined {
  if (value === undefined) return undefined;
  const [, digits, unit] = (typeof value === "string" && /^([0-9]{1,8})([HMSmun])$/.exec(value)) || [];
  if (digits === undefined || unit === undefined) {
    throw new DomainError("INVALID_HEADER", "The header grpc-timeout must be up to 8 digits and a unit.");
  }
  return timerMs(Number(digits) * UNITS[unit]!);
}

/** A timer beyond what the runtime can count would fire at once. */
function timerMs(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}
