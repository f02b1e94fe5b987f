import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DomainError } from "../kernel/errors.js";
import type { Parameters } from "./parameters.js";

/** Latest moment a time can name: the end of the year 9999. */
const LAST_MS = 253_402_300_799_999;

/** What a request gives, read as its row needs it. Names and texts are the predecessor's. */
export interface Given {
  /** The names that have a value, in their order, without control parameters. */
  readonly columns: readonly string[];
  /** Whether a parameter stands in the request, be it without a value. */
  stands(name: string): boolean;
  /** Whether a parameter has a value; empty text is none. */
  has(name: string): boolean;
  /** A parameter as text, empty when it was not given. */
  text(name: string): string;
  /** The items of a parameter that lists them by comma. */
  list(name: string): string[];
  /** Throws INVALID_FIELD unless the parameter is a whole number from 0 on, or absent. */
  number(name: string): number | undefined;
  /** A time in milliseconds since 1970. Throws INVALID_FIELD. */
  time(name: string): Timestamp | undefined;
  /** Whether a parameter says yes: `1` or `true`. */
  yes(name: string): boolean;
  /** Whether secrets that come this way are kept, so that they can sign. */
  readonly sealsSecrets: boolean;
}

export function createGiven(parameters: Parameters, sealsSecrets: boolean): Given {
  const text = (name: string) => parameters.get(name) ?? "";
  const number = (name: string): number | undefined => {
    const value = text(name);
    if (value === "") return undefined;
    if (/^\d{1,15}$/.test(value)) return Number(value);
    throw new DomainError("INVALID_FIELD", `The parameter ${name} must be a whole number.`, { field: name });
  };
  return {
    columns: [...parameters].filter(([name, value]) => !name.startsWith("_") && value !== "").map(([name]) => name),
    stands: (name) => parameters.has(name),
    has: (name) => text(name) !== "",
    text,
    list: (name) =>
      text(name)
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
    number,
    time(name) {
      const ms = number(name);
      return ms === undefined ? undefined : timestampFromMs(Math.min(ms, LAST_MS));
    },
    yes: (name) => text(name) === "1" || text(name) === "true",
    sealsSecrets,
  };
}
