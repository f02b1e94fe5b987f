/** How long to wait between attempts: a random time between nothing and a bound that doubles with every failure. */
export interface Backoff {
  /** The bound after the first failure, in milliseconds. */
  minDelayMs: number;
  /** What the bound never exceeds, in milliseconds. */
  maxDelayMs: number;
}

/** The wait after so many failures in a row, in milliseconds. The whole of it is random, so that clients spread out. */
export function backoffMs({ minDelayMs, maxDelayMs }: Backoff, failures: number): number {
  return Math.random() * Math.min(maxDelayMs, minDelayMs * 2 ** (failures - 1));
}
