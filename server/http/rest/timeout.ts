import { DomainError } from "./house.js";

/** Milliseconds of an `x-server-timeout` header, which counts seconds. Throws INVALID_HEADER. */
export function serverTimeout(value: string | string[] | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !/^(\d{1,10}(\.\d{0,9})?|\.\d{1,9})$/.test(value)) {
    throw new DomainError("INVALID_HEADER", "The header x-server-timeout must be seconds, such as 2.5.");
  }
  // A timer beyond what the runtime can count would fire at once.
  return Math.min(Number(value) * 1000, 2 ** 31 - 1);
}
