import { parseId } from "../../kernel/ids.js";

/** A google.protobuf.Value, as far as it matters here. */
export interface FilterValue {
  readonly kind: { readonly case?: string | undefined; readonly value?: unknown };
}

/** What a value says about a column that holds text. A number is taken as it is written. */
export function textOf({ kind }: FilterValue): string | undefined {
  if (kind.case === "stringValue") return kind.value as string;
  if (kind.case === "numberValue" && Number.isFinite(kind.value)) return String(kind.value);
  return undefined;
}

/** An id; null when the text can name nothing here. */
export function idOf(value: FilterValue): string | null | undefined {
  const text = textOf(value);
  return text === undefined ? undefined : (parseId(text) ?? null);
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;
const MILLISECONDS = /^-?\d{1,15}$/;
const EARLIEST = Date.parse("0001-01-01T00:00:00Z");
const LATEST = Date.parse("9999-12-31T23:59:59.999Z");

/** A time as the database reads it: RFC 3339, or milliseconds since 1970 as a number or text. */
export function timeOf(value: FilterValue): string | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  if (value.kind.case === "numberValue" || MILLISECONDS.test(text)) {
    const ms = Number(text);
    return timestamp(Math.floor(ms), !Number.isInteger(ms));
  }
  const [, day, time, fraction = "", zone] = RFC3339.exec(text) ?? [];
  if (day === undefined || !isDay(day)) return undefined;
  const seconds = Date.parse(`${day}T${time}${zone!.toUpperCase()}`);
  return timestamp(seconds + Number(fraction.slice(0, 3).padEnd(3, "0")), Number(fraction.slice(3)) > 0);
}

/**
 * Our times are whole milliseconds, so one that is finer lies between two of them, no matter where: it equals neither, and
 * is later than the one and earlier than the other.
 */
function timestamp(ms: number, isFiner: boolean): string | undefined {
  if (!(ms >= EARLIEST && ms <= LATEST)) return undefined;
  return new Date(ms).toISOString().replace("Z", isFiner ? "500Z" : "000Z");
}

/** Whether the calendar has the day: the runtime takes the 31st of any month. */
function isDay(text: string): boolean {
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}
