import { create } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Filter, FilterSchema } from "#gen/backstay/query/v1/query_pb.js";
import { DomainError } from "../kernel/errors.js";
import { checkText } from "../kernel/json-text.js";
import type { Given } from "./given.js";

/** The predecessor's operators in ours. `expr`, which would be SQL of the caller, is none. */
const OPERATORS: Readonly<Record<string, string>> = {
  "": "eq",
  eq: "eq",
  "=": "eq",
  "!=": "ne",
  "<>": "ne",
  ne: "ne",
  ">": "gt",
  gt: "gt",
  "<": "lt",
  lt: "lt",
  ">=": "ge",
  ge: "ge",
  "<=": "le",
  le: "le",
  in: "in",
  "not in": "not_in",
  between: "between",
  "not between": "not_between",
  null: "is_null",
  "not null": "not_null",
  begins_with: "begins_with",
  like: "like",
  "like%": "begins_with",
  ilike: "ilike",
  "ilike%": "ilike",
  regexp: "matches",
  iregexp: "imatches",
};

const SEVERAL = new Set(["in", "not_in", "between", "not_between"]);
const NONE = new Set(["is_null", "not_null"]);

/** What a column of the predecessor is called in a Filter. */
export type Columns = Readonly<Record<string, string>>;

/** How a list takes conditions. */
export interface ConditionOptions {
  /** A time that is no condition unless `_ops` says which: by itself it means newer than. */
  since?: string;
  /** Columns that would change nothing. */
  ignored?: readonly string[];
  /** Columns that rows show, but are not searched by. */
  unsearched?: readonly string[];
  /** What begins the columns that rows have besides, each by the name its parameter has. */
  others?: string;
}

/**
 * The conditions a request makes: every column it gives, or those alone that `_keys` names and that have a value; `_ops` pairs
 * columns with operators. A column nobody knows is left out, unless `_keys` names it, or `_ops` where there are no `_keys`. Throws
 * UNKNOWN_COLUMN, INVALID_FILTER, NUL_IN_TEXT.
 */
export function conditions(given: Given, columns: Columns, options: ConditionOptions = {}): Filter[] {
  const operators = readOperators(given);
  const names = given.has("_keys") ? given.list("_keys") : [...given.columns, ...operators.keys()];
  const filters: Filter[] = [];
  for (const name of new Set(names)) {
    const spelled = operators.get(name);
    const op = OPERATORS[spelled ?? ""]!;
    if (!NONE.has(op) && !given.has(name)) continue;
    if (spelled === undefined && name === options.since) continue;
    const isIgnored = options.ignored?.includes(name) ?? false;
    if (isIgnored && op === "eq") continue;
    if (isIgnored || options.unsearched?.includes(name)) {
      throw new DomainError("INVALID_FILTER", `Rows are not searched by ${name}.`, { field: name });
    }
    const column = Object.hasOwn(columns, name) ? columns[name] : options.others && options.others + name;
    if (column === undefined) {
      if (spelled === undefined && !given.has("_keys")) continue;
      throw new DomainError("UNKNOWN_COLUMN", `There is no column ${name}.`, { field: name });
    }
    filters.push(create(FilterSchema, { column, op, values: valuesOf(given, name, op, spelled) }));
  }
  return filters;
}

/** Whether a parameter is a condition, if it has a value: `_keys` does not leave it out. */
export function isCondition(given: Given, name: string): boolean {
  return !given.has("_keys") || given.list("_keys").includes(name);
}

/**
 * A list's request in which what shall be equal to a column that has a field of its own stands in that field, where it is
 * looked up the fastest.
 */
export function withFields<Field extends string, Request extends { filters: Filter[] }>(
  request: Request,
  fields: Readonly<Record<string, Field>>,
): Request & { [F in Field]?: string } {
  const isNamed = ({ column, op }: Filter) => op === "eq" && Object.hasOwn(fields, column);
  const named = request.filters.filter(isNamed).map(({ column, values }) => [fields[column], values[0]!.kind.value]);
  const filters = request.filters.filter((filter) => !isNamed(filter));
  return { ...request, ...Object.fromEntries(named), filters };
}

/** The operators of `_ops`, as they are spelled, by column. Throws INVALID_FILTER. */
function readOperators(given: Given): Map<string, string> {
  const items = given.text("_ops") === "" ? [] : given.text("_ops").split(",");
  const operators = new Map<string, string>();
  for (let i = 0; i < items.length; i += 2) {
    const spelled = (items[i + 1] ?? "")
      .trim()
      .toLowerCase()
      .replace(/^not[_ ]+/, "not ");
    if (!Object.hasOwn(OPERATORS, spelled)) {
      throw new DomainError("INVALID_FILTER", `There is no operator ${spelled}.`, { field: "_ops" });
    }
    const name = items[i]!.trim();
    if (operators.has(name)) {
      throw new DomainError("INVALID_FILTER", `The column ${name} stands twice in _ops.`, { field: "_ops" });
    }
    operators.set(name, spelled);
  }
  return operators;
}

function valuesOf(given: Given, name: string, op: string, spelled: string | undefined): Value[] {
  if (NONE.has(op)) return [];
  // Here it still has its name: the fields of requests are other ones.
  checkText(JSON.stringify(given.text(name)), name);
  if (SEVERAL.has(op)) return given.list(name).map(textValue);
  // Escaped, so that only the % we add stands for any text.
  if (spelled === "ilike%") return [textValue(`${given.text(name).replace(/[\\%_]/g, "\\$&")}%`)];
  return [textValue(given.text(name))];
}

function textValue(text: string): Value {
  return create(ValueSchema, { kind: { case: "stringValue", value: text } });
}
