import { type SQL, sql } from "drizzle-orm";
import {
  type Column,
  type Columns,
  exactly,
  type Parameters,
  parametersOf,
  runSql,
  type Statement,
  statement,
} from "../../platform/db/index.js";
import { isBlocked } from "../blocks/index.js";
import { connections } from "./schema.js";
import type { ConnectionRow } from "./store-row.js";

/** Whether a list shows what its account has made, or what others have made to it. */
export type Side = "connections" | "references";

/** A connection as the account whose list it is sees it. */
export interface ListedConnection extends ConnectionRow {
  /** When it was made, to the microsecond: where it stands in the list. */
  place: string;
  /** Its properties as text, which patterns are tried on; null when it has none. Only `listMatching` reads it. */
  texts?: Readonly<Record<string, string | null>> | null;
}

export interface ListPage {
  accountId: string;
  type: string | undefined;
  peerId: string | undefined;
  /** Only what was written then or later. */
  from: Date | undefined;
  /** Place, peer and type of the last row of the page before. */
  afterPlace: string | undefined;
  afterPeer: string | undefined;
  afterType: string | undefined;
  limit: number;
}

/** What a page asks for: each makes a statement of its own, which finds its rows by an index. */
export interface Shape {
  side: Side;
  /** Whether `type` is given, `peerId`, and `from`. */
  byType: boolean;
  byPeer: boolean;
  recent: boolean;
  descending: boolean;
}

/** A row `c` as one of its two accounts sees it. The indexes are of these very expressions. */
const SIDES = {
  connections: {
    account: sql`c.account_id`,
    peer: sql`c.peer_id`,
    shown: sql`true`,
    properties: sql`c.properties`,
    updatedAt: sql`c.updated_at`,
  },
  references: {
    account: sql`c.peer_id`,
    peer: sql`c.account_id`,
    shown: sql`c.reference_id is not null`,
    properties: sql`coalesce(c.peer_properties, c.properties)`,
    updatedAt: sql`coalesce(c.peer_updated_at, c.updated_at)`,
  },
};

/** The columns that a list is filtered by, but for properties. */
export function columnsOf(side: Side): Columns<ListedConnection> {
  const { peer, updatedAt } = SIDES[side];
  return {
    peer_id: { holds: "id", sql: peer, public: true },
    type: { holds: "text", sql: sql`c.type`, public: true, of: ({ type }) => type },
    create_time: { holds: "time", sql: sql`c.created_at`, public: true },
    update_time: { holds: "time", sql: updatedAt, public: true },
  };
}

/** A property as a column of text: numbers and lists as JSON has them, nothing where there is none. */
export function propertyColumn(side: Side, key: string): Column<ListedConnection> {
  return {
    holds: "text",
    sql: sql`coalesce(${SIDES[side].properties} ->> ${key}::text, '')`,
    public: true,
    of: ({ texts }) => (texts && Object.hasOwn(texts, key) ? (texts[key] ?? "") : ""),
  };
}

const PLACE = sql`${exactly(sql`found.created_at`)} as place`;
const TEXTS = sql`(select json_object_agg(key, value) from jsonb_each_text(found.properties)) as texts`;

/** The first rows of each type, and of those the first: a million of one type do not stand before three of another. */
function page(shape: Shape, p: Parameters<ListPage>, where: SQL, more: SQL): SQL {
  const direction = directionOf(shape);
  const types = shape.byType ? sql`(select ${p.type}::text as type)` : typesOf(shape.side, p);
  return sql`select found.*, ${more}
    from ${types} kind cross join lateral (${rowsOfType(shape, p, where)}) found
    order by found.created_at ${direction}, found.peer_id ${direction}, found.type ${direction}
    limit ${p.limit}::int`;
}

/** The types an account has any of: one step in the index for each, however many rows are of it. */
function typesOf(side: Side, p: Parameters<ListPage>): SQL {
  const { account, shown } = SIDES[side];
  const first = (where: SQL) => sql`(select c.type from ${connections} c
    where ${account} = ${p.accountId}::uuid and ${shown} and ${where} order by c.type limit 1)`;
  return sql`(with recursive step (type) as (
      ${first(sql`true`)}
      union all
      select ${first(sql`c.type > step.type`)} from step where step.type is not null
    ) select type from step where type is not null)`;
}

/** The first rows of the type `kind` that the page is to have. */
function rowsOfType(shape: Shape, p: Parameters<ListPage>, where: SQL): SQL {
  const { account, shown, updatedAt } = SIDES[shape.side];
  const ofType = sql`${connections} c
    where ${account} = ${p.accountId}::uuid and c.type = kind.type and ${shown}`;
  // Few rows, found before anything else is asked: for their order the planner would take an index that has all the others too.
  const few = (condition: SQL) => sql`(select * from ${ofType} and ${condition} offset 0) c where true`;

  const from = sql`${p.from}::timestamptz`;
  const recent = shape.recent ? sql`${updatedAt} >= ${from} and ${where}` : where;
  if (shape.byPeer) return range(shape, p, sql`${onlyOne(shape.side, p)} and ${shown}`, recent);
  if (!shape.recent) return range(shape, p, ofType, where);
  // What was made since then, and what was made before and written again: two indexes lead to little else.
  const made = range(shape, p, ofType, recent, from);
  const again = few(sql`${updatedAt} > c.created_at and ${updatedAt} >= ${from}`);
  return sql`(${made}) union all (${range(shape, p, again, sql`c.created_at < ${from} and ${where}`)})`;
}

/**
 * The one row of the type `kind` between the account and a peer. By its order the planner can only take the primary key; asked for all
 * three columns it may take an index that has all of the account's others too, while it knows nothing of the table.
 */
function onlyOne(side: Side, p: Parameters<ListPage>): SQL {
  const [owner, other] = side === "connections" ? [p.accountId, p.peerId] : [p.peerId, p.accountId];
  return sql`(select * from (
      select * from ${connections} c
      where c.account_id = ${owner}::uuid and c.type = kind.type and c.peer_id >= ${other}::uuid
      order by c.peer_id limit 1
    ) c where c.peer_id = ${other}::uuid offset 0) c where true`;
}

/** The first rows beyond the page before that were made at `from` or later, as a range of an index. */
function range(
  shape: Shape,
  p: Parameters<ListPage>,
  source: SQL,
  where: SQL,
  from = sql`'-infinity'::timestamptz`,
): SQL {
  const { peer, properties, updatedAt } = SIDES[shape.side];
  const direction = directionOf(shape);
  return sql`select ${peer} as peer_id, c.type, ${properties} as properties, c.created_at, ${updatedAt} as updated_at
    from ${source} and ${beyond(shape, p, from)} and ${where}
      and not ${isBlocked(sql`${p.accountId}::uuid`, peer)}
    order by c.created_at ${direction}, ${peer} ${direction} limit ${p.limit}::int`;
}

/** One bound where the range begins: of two, the database might walk from the farther. */
function beyond({ side, descending }: Shape, p: Parameters<ListPage>, from: SQL): SQL {
  const row = sql`(c.created_at, ${SIDES[side].peer}, c.type)`;
  const place = sql`${p.afterPlace}::text::timestamptz`;
  const after = (when: SQL, first: { place: SQL; peer: SQL }) => sql`(
      case when ${when} then ${place} else ${first.place} end,
      case when ${when} then ${p.afterPeer}::uuid else ${first.peer} end,
      case when ${when} then ${p.afterType}::text else '' end)`;
  if (descending) return sql`c.created_at >= ${from} and ${row} < ${after(sql`${place} is not null`, LAST)}`;
  return sql`${row} > ${after(sql`${place} >= ${from}`, { ...FIRST, place: from })}`;
}

/** Before and after every peer, and every time. */
const FIRST = { peer: sql`'00000000-0000-0000-0000-000000000000'::uuid` };
const LAST = { place: sql`'infinity'::timestamptz`, peer: sql`'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid` };

const directionOf = ({ descending }: Shape) => sql.raw(descending ? "desc" : "asc");

const nameOf = ({ side, byType, byPeer, recent, descending }: Shape) =>
  [side, byType, byPeer, recent, descending].join();

const EITHER = [false, true];
const PAGES = new Map(
  (["connections", "references"] as const)
    .flatMap((side) => EITHER.map((byType) => ({ side, byType })))
    .flatMap((shape) => EITHER.map((byPeer) => ({ ...shape, byPeer })))
    .flatMap((shape) => EITHER.map((recent) => ({ ...shape, recent })))
    .flatMap((shape) => EITHER.map((descending) => ({ ...shape, descending })))
    .map((shape) => [nameOf(shape), statement<ListPage, ListedConnection>((p) => page(shape, p, sql`true`, PLACE))]),
);

/** A page of an account's connections or references in the order they were made, or the reverse, without whom it has blocked. */
export function listAll(shape: Shape): Statement<ListPage, ListedConnection> {
  return PAGES.get(nameOf(shape))!;
}

/** The same of those only that satisfy `where`. */
export function listMatching(shape: Shape, where: SQL): Statement<ListPage, ListedConnection> {
  return (ctx, input) => runSql(ctx, page(shape, parametersOf(input), where, sql`${PLACE}, ${TEXTS}`));
}
