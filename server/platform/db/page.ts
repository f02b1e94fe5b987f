import type { Pattern } from "../../kernel/pattern.js";

/** A pattern that a text of each row must contain. */
export interface RowTest<Row> {
  readonly of: (row: Row) => string;
  readonly pattern: Pattern;
}

/** Some rows of a list. */
export interface Page<Row> {
  readonly rows: Row[];
  /** After which row the next page begins; undefined when this is the last. */
  readonly next: Row | undefined;
}

/** The most rows one call looks at, and characters times instructions that it tries: a second or so. */
const MOST_ROWS = 5_000;
const MOST_STEPS = 20_000_000;
/** After so many steps others get their turn. */
const TURN = 2_000_000;
const CHUNK = 100;

/**
 * Reads a page of at most `limit` rows that pass the tests; `fetch` reads rows in order, after one of them or from where
 * the page begins. A page whose tests refuse much ends early, with fewer rows or none, and a `next` to go on from.
 */
export async function readPage<Row>(
  limit: number,
  tests: readonly RowTest<Row>[],
  fetch: (after: Row | undefined, count: number) => Promise<Row[]>,
): Promise<Page<Row>> {
  if (tests.length === 0) {
    const rows = await fetch(undefined, limit + 1);
    return { rows: rows.slice(0, limit), next: rows.length > limit ? rows[limit - 1] : undefined };
  }
  const passed: Row[] = [];
  const work = { rows: 0, steps: 0, turn: 0 };
  let last: Row | undefined;
  while (true) {
    const rows = await fetch(last, CHUNK);
    for (const row of rows) {
      if (passes(row, tests, work)) {
        if (passed.length === limit) return { rows: passed, next: passed.at(-1) };
        passed.push(row);
      }
      last = row;
      if (work.rows >= MOST_ROWS || work.steps >= MOST_STEPS) return { rows: passed, next: last };
      if (work.turn < TURN) continue;
      work.turn = 0;
      await new Promise(setImmediate);
    }
    if (rows.length < CHUNK) return { rows: passed, next: undefined };
  }
}

/** All rows of a list in order, each page read when somebody asks for the first row of it. */
export async function* readAll<Row>(
  fetch: (after: Row | undefined, count: number) => Promise<Row[]>,
  size = CHUNK,
): AsyncGenerator<Row> {
  let rows: Row[] = [];
  do {
    rows = await fetch(rows.at(-1), size);
    yield* rows;
  } while (rows.length === size);
}

function passes<Row>(
  row: Row,
  tests: readonly RowTest<Row>[],
  work: { rows: number; steps: number; turn: number },
): boolean {
  work.rows++;
  return tests.every(({ of, pattern }) => {
    const text = of(row);
    const steps = pattern.size * (text.length + 1);
    work.steps += steps;
    work.turn += steps;
    return pattern.test(text);
  });
}
