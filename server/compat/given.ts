import { type Timestamp, timestampFromMs, type Value } from "@bufbuild/protobuf/wkt";
import { DomainError } from "../kernel/errors.js";
import { parseId } from "../kernel/ids.js";
import { freeValue } from "./free-value.js";
import type { Parameters } from "./parameters.js";

/** Latest moment a time can name: the end of the year 9999. */
const LAST_MS = 253_402_300_799_999;

/** The largest number that is read where none is below 0: what it counts is bounded long before. */
const MOST = 999_999_999_999_999;

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
  /** Throws INVALID_FIELD when the parameter has no value. */
  needed(name: string): string;
  /** Throws INVALID_FIELD unless the parameter is a whole number from 0 on, or absent. */
  number(name: string): number | undefined;
  /** A whole number, negative ones too. Throws INVALID_FIELD. */
  integer(name: string): bigint;
  /** A time in milliseconds since 1970. Throws INVALID_FIELD. */
  time(name: string): Timestamp | undefined;
  /** Whether a parameter says yes: `1` or `true`. */
  yes(name: string): boolean;
  /** A parameter as any JSON value: text, unless a JSON body gave something else. Throws INVALID_FIELD, NUL_IN_TEXT, INVALID_UTF8. */
  value(name: string): Value | undefined;
  /** Whether a parameter names the caller's own account and no other, be it by not standing there. */
  isOwn(name: string): boolean;
  /** Whether the caller is shown everybody's rows whole. */
  readonly seesAll: boolean;
  /** The caller's account; undefined when that is none. */
  readonly callerId: string | undefined;
}

export function createGiven(parameters: Parameters, { callerId, seesAll }: Pick<Given, "callerId" | "seesAll">): Given {
  const text = (name: string) => {
    const given = parameters.get(name) ?? "";
    return typeof given === "string" ? given : JSON.stringify(given.json);
  };
  const list = (name: string) =>
    text(name)
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  const notWhole = (name: string, least: number, most: number) =>
    new DomainError("INVALID_FIELD", `The parameter ${name} must be a whole number from ${least} to ${most}.`, {
      field: name,
    });
  const number = (name: string): number | undefined => {
    const value = text(name);
    if (value === "") return undefined;
    if (/^\d{1,15}$/.test(value)) return Number(value);
    throw notWhole(name, 0, MOST);
  };
  return {
    columns: [...parameters].filter(([name, value]) => !name.startsWith("_") && value !== "").map(([name]) => name),
    stands: (name) => parameters.has(name),
    has: (name) => text(name) !== "",
    text,
    list,
    needed(name) {
      if (text(name) !== "") return text(name);
      throw new DomainError("INVALID_FIELD", `The parameter ${name} is needed.`, { field: name });
    },
    number,
    integer(name) {
      // Longer ones are beyond what any counter holds, and beyond what a message may.
      if (/^-?\d{1,16}$/.test(text(name))) return BigInt(text(name));
      throw notWhole(name, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    },
    time(name) {
      const ms = number(name);
      return ms === undefined ? undefined : timestampFromMs(Math.min(ms, LAST_MS));
    },
    yes: (name) => text(name) === "1" || text(name) === "true",
    value(name) {
      const given = parameters.get(name) ?? "";
      return given === "" ? undefined : freeValue(name, typeof given === "string" ? given : given.json);
    },
    isOwn: (name) => list(name).every((id) => ["me", callerId].includes(parseId(id) ?? id)),
    seesAll,
    callerId,
  };
}
