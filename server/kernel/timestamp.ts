/** A moment as messages carry it: seconds since 1970, and how much later it is. */
interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** A time in whole milliseconds. What is finer is left off: rounded up, it would hide what came in that millisecond. */
export function fromTimestamp({ seconds, nanos }: Timestamp): Date {
  return new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1e6));
}

/** A time as the JSON of a message writes it. */
export function toTimestampJson(time: Date): string {
  return time.toISOString().replace(".000Z", "Z");
}
