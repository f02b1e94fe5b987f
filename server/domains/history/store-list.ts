import { type SQL, sql } from "drizzle-orm";
import {
  type Columns,
  type Parameters,
  parametersOf,
  runSql,
  type Statement,
  statement,
} from "../../platform/db/index.js";
import { history } from "./schema.js";
import { columns, type EntryRow } from "./store-row.js";

/** The columns that lists of entries are filtered by. */
export const COLUMNS: Columns<EntryRow> = {
  id: { holds: "id", sql: sql`id`, public: true },
  type: { holds: "text", sql: sql`type`, public: true, of: ({ type }) => type },
  create_time: { holds: "time", sql: sql`created_at`, public: true },
};

export interface EntryPage {
  accountId: string;
  type: string | undefined;
  /** Only entries that are newer than this. */
  since: Date | undefined;
  /** The place of the last entry of the page before. */
  afterTime: Date | undefined;
  afterId: string | undefined;
  limit: number;
}

interface Shape {
  ofType: boolean;
  descending: boolean;
}

const FIRST_ID = sql.raw(`'${"0".repeat(32)}'`);
const LAST_ID = sql.raw(`'${"f".repeat(32)}'`);

function page({ ofType, descending }: Shape, p: Parameters<EntryPage>, where: SQL): SQL {
  const onlyType = ofType ? sql`and type = ${p.type}::text` : sql``;
  const from = (time: SQL, id: SQL) =>
    sql`(coalesce(${p.afterTime}::timestamptz, ${time}), coalesce(${p.afterId}::uuid, ${id}))`;
  const beyond = descending
    ? sql`(created_at, id) < ${from(sql`'infinity'`, LAST_ID)}`
    : sql`(created_at, id) > ${from(sql`'-infinity'`, FIRST_ID)}`;
  const order = descending ? sql`created_at desc, id desc` : sql`created_at, id`;
  return sql`select ${columns} from ${history}
    where account_id = ${p.accountId}::uuid ${onlyType}
      and created_at > coalesce(${p.since}::timestamptz, '-infinity') and ${beyond} and ${where}
    order by ${order} limit ${p.limit}::int`;
}

const plain = (shape: Shape) => statement<EntryPage, EntryRow>((p) => page(shape, p, sql`true`));

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
export function listEntries({ ofType, descending }: Shape): Statement<EntryPage, EntryRow> {
  return PAGES[ofType ? "ofType" : "all"][descending ? "descending" : "ascending"];
}

/** The same of those only that satisfy `where`. */
export function listMatching(shape: Shape, where: SQL): Statement<EntryPage, EntryRow> {
  return (ctx, input) => runSql(ctx, page(shape, parametersOf(input), where));
}
