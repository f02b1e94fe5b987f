import type { Ctx } from "../../context.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { type Columns, conditionsOf, type Filter, filtersKey, readPage } from "../../platform/db/index.js";
import { batchGetAccounts, callerAccount } from "../accounts/index.js";
import * as store from "./store-list.js";
import type { ConnectionRow } from "./store-row.js";

const DEFAULT_PAGE = 50;
const PROPERTY = "properties.";
/** The last that times have, those of the database and of messages. */
const LAST_YEAR = 9_999;

export interface ListConnectionsInput {
  /** Empty is all. */
  type: string;
  /** Empty is all. */
  peerId: string;
  since: Date | undefined;
  filters: readonly Filter[];
  details: boolean;
  descending: boolean;
  pageSize: number;
  pageToken: string;
}

export interface ConnectionList {
  connections: ConnectionRow[];
  nextPageToken: string;
}

/** What the caller has connected to. */
export function listConnections(ctx: Ctx, input: ListConnectionsInput): Promise<ConnectionList> {
  return list(ctx, "connections", input);
}

/** Who has connected to the caller. */
export function listReferences(ctx: Ctx, input: ListConnectionsInput): Promise<ConnectionList> {
  return list(ctx, "references", input);
}

async function list(ctx: Ctx, side: store.Side, input: ListConnectionsInput): Promise<ConnectionList> {
  const accountId = callerAccount(ctx);
  const { type, since, filters, details, descending } = input;
  const conditions = conditionsOf(columnsOf(side, filters), filters);
  const query = {
    list: side,
    accountId,
    type,
    peerId: input.peerId,
    since: since?.getTime() ?? null,
    filters: filtersKey(filters),
    details,
    descending,
  };
  const token = decodePageToken(ctx.key, query, input.pageToken) as [string, string, string] | undefined;
  const first = token && { place: token[0], peerId: token[1], type: token[2] };
  const peerId = input.peerId === "" ? undefined : parseId(input.peerId);
  // Our times are in milliseconds: what is later than one of them is not before the next.
  const from = since && new Date(since.getTime() + 1);
  // An id that can name nobody has no connections, and nothing is later than the last of all times.
  const namesNobody = input.peerId !== "" && peerId === undefined;
  const isPastAll = from !== undefined && from.getUTCFullYear() > LAST_YEAR;
  if (namesNobody || isPastAll) return { connections: [], nextPageToken: "" };

  const shape = {
    side,
    byType: type !== "",
    byPeer: peerId !== undefined,
    recent: since !== undefined,
    descending,
  };
  const read = filters.length === 0 ? store.listAll(shape) : store.listMatching(shape, conditions.where);
  const { rows, next } = await readPage<store.ListedConnection>(
    input.pageSize || DEFAULT_PAGE,
    conditions.tests,
    (last, limit) => {
      const after = last ?? first;
      const page = { afterPlace: after?.place, afterPeer: after?.peerId, afterType: after?.type, limit };
      return read(ctx, { accountId, type, peerId, from, ...page });
    },
  );
  return {
    connections: details ? await withAccounts(ctx, rows) : rows,
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [next.place, next.peerId, next.type]),
  };
}

/** The columns of a list, and of its properties those that filters name. */
function columnsOf(side: store.Side, filters: readonly Filter[]): Columns<store.ListedConnection> {
  const keys = filters
    .filter(({ column }) => column.startsWith(PROPERTY) && column !== PROPERTY)
    .map(({ column }) => column.slice(PROPERTY.length));
  const properties = keys.map((key) => [`${PROPERTY}${key}`, store.propertyColumn(side, key)]);
  return { ...store.columnsOf(side), ...Object.fromEntries(properties) };
}

/** An account that is gone since is not there. */
async function withAccounts(ctx: Ctx, rows: readonly ConnectionRow[]): Promise<ConnectionRow[]> {
  if (rows.length === 0) return [];
  const seen = await batchGetAccounts(ctx, [...new Set(rows.map(({ peerId }) => peerId))]);
  const accounts = new Map(seen.map(({ account }) => [account.id, account]));
  return rows.map((row) => {
    const account = accounts.get(row.peerId);
    return account === undefined ? row : { ...row, account };
  });
}
