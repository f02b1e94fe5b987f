import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";

/** A time as the predecessor writes it: milliseconds since 1970, undefined when there is none. */
export function milliseconds(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : timestampMs(time);
}
