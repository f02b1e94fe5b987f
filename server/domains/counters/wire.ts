import type { CounterValues } from "./seen.js";

/** Counters on the wire. */
export function toCounters(values: CounterValues): Record<string, bigint> {
  return Object.fromEntries(values);
}
