import { type SQL, sql } from "drizzle-orm";
import { DomainError } from "../../kernel/errors.js";
import { compilePattern } from "../../kernel/pattern.js";
import { type FilterValue, idOf, textOf, timeOf } from "./filter-values.js";
import type { RowTest } from "./page.js";

/** A condition on a column, as backstay.query.v1.Filter says it. */
export interface Filter {
  readonly column: string;
  readonly op: string;
  readonly values: readonly FilterValue[];
}

/** A column that lists may be filtered and sorted by. */
export interface Column<Row> {
  readonly holds: "text" | "id" | "time" | "texts";
  readonly sql: SQL;
  /** Whether everyone may use it, or only who sees rows whole. */
  readonly public: boolean;
  /** All that its text may be, when that is one of a few words; what it is compared with must be one too. */
  readonly words?: readonly string[];
  /** Its text in a row that was read: what patterns are tried on. */
  readonly of?: (row: Row) => string;
  /** The condition that its text is the same as another, where that is not told by how both are written. */
  readonly equals?: (text: string) => SQL;
}

/** The columns of a list, by their proto names. */
export type Columns<Row> = Readonly<Record<string, Column<Row>>>;

/** Whether the caller sees every row whole. */
export interface Rights {
  readonly whole: boolean;
}

/** What a row must satisfy: for the database to check, and for us. */
export interface Conditions<Row> {
  readonly where: SQL;
  readonly tests: readonly RowTest<Row>[];
}

/** The column of a proto or JSON name, with its proto name. Throws UNKNOWN_COLUMN, COLUMN_FORBIDDEN, naming it and `field`. */
export function useColumn<Row>(
  columns: Columns<Row>,
  asked: string,
  field: string,
  rights: Rights,
): { name: string; column: Column<Row> } {
  const snakeCase = asked.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  // An app's own names, such as those of properties, are as it wrote them.
  const name = Object.hasOwn(columns, asked) ? asked : snakeCase;
  const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (column === undefined) throw new DomainError("UNKNOWN_COLUMN", `There is no column ${asked} here.`, { field });
  if (!column.public && !rights.whole) {
    const message = `The column ${name} of others may not be read, filtered or sorted by.`;
    throw new DomainError("COLUMN_FORBIDDEN", message, { field, metadata: { column: name } });
  }
  return { name, column };
}

/** Turns filters into conditions that must all hold. Throws INVALID_FILTER, INVALID_PATTERN and what `useColumn` throws. */
export function conditionsOf<Row>(
  columns: Columns<Row>,
  filters: readonly Filter[],
  rights: Rights = { whole: true },
): Conditions<Row> {
  const where: SQL[] = [];
  const tests: RowTest<Row>[] = [];
  for (const [n, filter] of filters.entries()) {
    const { name, column } = useColumn(columns, filter.column, `filters[${n}].column`, rights);
    const condition = new Condition(filter, name, column, `filters[${n}]`);
    if (filter.op === "matches" || filter.op === "imatches") tests.push(condition.test());
    else where.push(sql`(${condition.sql()})`);
  }
  return { where: where.length === 0 ? sql`true` : sql.join(where, sql` and `), tests };
}

/** The filters as text: what a page token is bound to. */
export function filtersKey(filters: readonly Filter[]): string {
  return JSON.stringify(filters.map(({ column, op, values }) => [column, op, values.map(({ kind }) => kind)]));
}

/** What says the opposite of another operator, for rows without a value too. */
const OPPOSITES: Readonly<Record<string, string>> = {
  ne: "eq",
  not_in: "in",
  not_between: "between",
  not_null: "is_null",
};

const COMPARISONS: Readonly<Record<string, SQL>> = {
  eq: sql.raw("="),
  gt: sql.raw(">"),
  ge: sql.raw(">="),
  lt: sql.raw("<"),
  le: sql.raw("<="),
};

const MOST_PATTERN_CHARACTERS = 256;
const MOST_VALUES = 100;
const NOTHING = sql`false`;

/** One filter on its way to SQL. Values are parameters, always. */
class Condition<Row> {
  readonly #op: string;

  constructor(
    readonly filter: Filter,
    readonly name: string,
    readonly column: Column<Row>,
    readonly field: string,
  ) {
    this.#op = filter.op || "eq";
  }

  sql(): SQL {
    const opposite = OPPOSITES[this.#op];
    return opposite === undefined ? this.#positive(this.#op) : sql`(${this.#positive(opposite)}) is not true`;
  }

  /** `matches` and `imatches`, which the database does not know as RE2 means them. */
  test(): RowTest<Row> {
    const { of } = this.column;
    if (of === undefined) throw this.#misfit();
    const [source = ""] = this.#texts(1, 1);
    return { of, pattern: compilePattern(source, `${this.field}.values[0]`, { ignoreCase: this.#op === "imatches" }) };
  }

  #positive(op: string): SQL {
    switch (this.column.holds) {
      case "text":
        return this.#text(op);
      case "id":
        return this.#id(op);
      case "time":
        return this.#time(op);
      case "texts":
        return this.#list(op);
    }
  }

  #text(op: string): SQL {
    const text = sql`${this.column.sql} collate "C"`;
    switch (op) {
      case "is_null":
        this.#count(0, 0);
        return sql`${this.column.sql} = ''`;
      case "begins_with":
        return sql`starts_with(${this.column.sql}, ${this.#texts(1, 1)[0]}::text)`;
      case "contains":
        return sql`strpos(${text}, ${this.#texts(1, 1)[0]}::text) > 0`;
      case "like":
        return sql`${text} like ${this.#likePattern()}::text`;
      case "ilike":
        // The cluster's own locale knows the case of ASCII alone.
        return sql`${this.column.sql} collate "und-x-icu" ilike ${this.#likePattern()}::text`;
      case "eq":
      case "in": {
        const { equals } = this.column;
        if (equals === undefined) return this.#compare(op, text, sql.raw("text"), (value) => this.#word(value));
        return sql.join(this.#texts(1, op === "in" ? MOST_VALUES : 1).map(equals), sql` or `);
      }
      default:
        return this.#compare(op, text, sql.raw("text"), (value) => this.#word(value));
    }
  }

  #word(value: FilterValue): string | undefined {
    const { words } = this.column;
    if (words === undefined) return textOf(value);
    const word = value.kind.case === "boolValue" ? String(value.kind.value) : textOf(value);
    return word !== undefined && words.includes(word) ? word : undefined;
  }

  #id(op: string): SQL {
    if (op === "is_null") {
      this.#count(0, 0);
      return sql`${this.column.sql} is null`;
    }
    return this.#compare(op, this.column.sql, sql.raw("uuid"), idOf);
  }

  #time(op: string): SQL {
    if (op === "is_null") {
      this.#count(0, 0);
      return sql`${this.column.sql} is null`;
    }
    // As text: the driver would cut a time to the millisecond.
    return this.#compare(op, this.column.sql, sql.raw("text::timestamptz"), timeOf);
  }

  /** A list of texts, by what is in it. */
  #list(op: string): SQL {
    if (op === "is_null") {
      this.#count(0, 0);
      return sql`cardinality(${this.column.sql}) = 0`;
    }
    if (op !== "eq" && op !== "contains" && op !== "in") throw this.#misfit();
    const texts = op === "in" ? this.#texts(1, MOST_VALUES) : this.#texts(1, 1);
    return sql`${this.column.sql} && ${sql.param(texts)}::text[]`;
  }

  /** Comparisons with values of `type`; null is a value that no row has. */
  #compare(op: string, column: SQL, type: SQL, read: (value: FilterValue) => string | null | undefined): SQL {
    const values = (least: number, most: number) => this.#values(least, most, read);
    if (op === "in") {
      const some = values(1, MOST_VALUES).filter((value) => value !== null);
      const list = some.map((value) => sql`${value}::${type}`);
      return some.length === 0 ? NOTHING : sql`${column} in (${sql.join(list, sql`, `)})`;
    }
    if (op === "between") {
      const [from, to] = values(2, 2);
      if (from === null || to === null) return NOTHING;
      return sql`${column} between ${from}::${type} and ${to}::${type}`;
    }
    const comparison = COMPARISONS[op];
    if (comparison === undefined) throw this.#misfit();
    const [value] = values(1, 1);
    return value === null ? NOTHING : sql`${column} ${comparison} ${value}::${type}`;
  }

  #likePattern(): string {
    const [pattern = ""] = this.#texts(1, 1);
    const field = `${this.field}.values[0]`;
    if ([...pattern].length > MOST_PATTERN_CHARACTERS) {
      throw new DomainError("INVALID_FILTER", `The pattern has more than ${MOST_PATTERN_CHARACTERS} characters.`, {
        field,
      });
    }
    const [backslashes = ""] = /\\*$/.exec(pattern) ?? [];
    if (backslashes.length % 2 === 1) {
      throw new DomainError("INVALID_FILTER", "The pattern ends with the escape character \\ alone.", { field });
    }
    return pattern;
  }

  #texts(least: number, most: number): string[] {
    return this.#values(least, most, textOf);
  }

  #values<Value>(least: number, most: number, read: (value: FilterValue) => Value | undefined): Value[] {
    this.#count(least, most);
    return this.filter.values.map((value, n) => {
      const found = read(value);
      if (found !== undefined) return found;
      const { words, holds } = this.column;
      const wanted = words?.join(" or ") ?? { text: "text", texts: "text", id: "an id", time: "a time" }[holds];
      const message = `The column ${this.name} is compared with ${wanted}.`;
      throw new DomainError("INVALID_FILTER", message, { field: `${this.field}.values[${n}]` });
    });
  }

  #count(least: number, most: number): void {
    const { length } = this.filter.values;
    if (length >= least && length <= most) return;
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    const message = `${this.#op} takes ${wanted} ${most === 1 ? "value" : "values"}, not ${length}.`;
    throw new DomainError("INVALID_FILTER", message, { field: `${this.field}.values` });
  }

  #misfit(): DomainError {
    const kind = { text: "text", texts: "a list of texts", id: "ids", time: "times" }[this.column.holds];
    const message = `${this.#op} is no operator for the column ${this.name}, which holds ${kind}.`;
    return new DomainError("INVALID_FILTER", message, { field: `${this.field}.op` });
  }
}
