import { type SQL, sql } from "drizzle-orm";
import {
  type Columns,
  exactly,
  type Parameters,
  parametersOf,
  runSql,
  type Statement,
  statement,
} from "../../platform/db/index.js";
import { history } from "./schema.js";
import { columns, type EntryRow } from "./store-row.js";

/** An entry, and when it was added to the microsecond: where it stands in the list. */
export interface PlacedEntry extends EntryRow {
  place: string;
}

/** The columns that lists of entries are filtered by. */
export const COLUMNS: Columns<PlacedEntry> = {
  id: { holds: "id", sql: sql`id`, public: true },
  type: { holds: "text", sql: sql`type`, public: true, of: ({ type }) => type },
  create_time: { holds: "time", sql: sql`created_at`, public: true },
};

export interface EntryPage {
  accountId: string;
  type: string | undefined;
  /** Only entries that are newer than this, to the millisecond. */
  since: Date | undefined;
  /** Place and id of the last entry of the page before. */
  afterPlace: string | undefined;
  afterId: string | undefined;
  limit: number;
}

interface Shape {
  ofType: boolean;
  descending: boolean;
}

const FIRST_ID = sql.raw(`'${"0".repeat(32)}'::uuid`);
const LAST_ID = sql.raw(`'${"f".repeat(32)}'::uuid`);

function page({ ofType, descending }: Shape, p: Parameters<EntryPage>, where: SQL): SQL {
  const onlyType = ofType ? sql`and type = ${p.type}::text` : sql``;
  const order = descending ? sql`created_at desc, id desc` : sql`created_at, id`;
  // A limit that the planner does not know: where it thinks that an account has no more rows, it would read and sort them all.
  return sql`select ${columns}, ${exactly(sql`created_at`)} as place from ${history}
    where account_id = ${p.accountId}::uuid ${onlyType} and ${beyond(descending, p)} and ${where}
    order by ${order} limit (select ${p.limit}::int)`;
}

/** One bound where the range begins: of two, the database might walk from the farther. */
function beyond(descending: boolean, p: Parameters<EntryPage>): SQL {
  // What is newer than a millisecond is not before the next.
  const from = sql`coalesce(${p.since}::timestamptz + interval '1 millisecond', '-infinity')`;
  const place = sql`${p.afterPlace}::text::timestamptz`;
  if (descending) {
    return sql`created_at >= ${from}
      and (created_at, id) < (coalesce(${place}, 'infinity'), coalesce(${p.afterId}::uuid, ${LAST_ID}))`;
  }
  return sql`(created_at, id) > (
      case when ${place} >= ${from} then ${place} else ${from} end,
      case when ${place} >= ${from} then ${p.afterId}::uuid else ${FIRST_ID} end)`;
}

const plain = (shape: Shape) => statement<EntryPage, PlacedEntry>((p) => page(shape, p, sql`true`));

const PAGES = {
  all: {
    ascending: plain({ ofType: false, descending: false }),
    descending: plain({ ofType: false, descending: true }),
  },
  ofType: {
    ascending: plain({ ofType: true, descending: false }),
    descending: plain({ ofType: true, descending: true }),
  },
};

/** A page of entries in the order they were added, or the reverse. */
export function listEntries({ ofType, descending }: Shape): Statement<EntryPage, PlacedEntry> {
  return PAGES[ofType ? "ofType" : "all"][descending ? "descending" : "ascending"];
}

/** The same of those only that satisfy `where`. */
export function listMatching(shape: Shape, where: SQL): Statement<EntryPage, PlacedEntry> {
  return (ctx, input) => runSql(ctx, page(shape, parametersOf(input), where));
}
