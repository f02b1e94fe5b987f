import type { Ctx } from "../../context.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { conditionsOf, type Filter, filtersKey, readPage } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import type { Entry } from "./service.js";
import * as store from "./store-list.js";

const DEFAULT_PAGE = 50;

export interface ListHistoryInput {
  since: Date | undefined;
  /** Empty is all. */
  type: string;
  filters: readonly Filter[];
  descending: boolean;
  pageSize: number;
  pageToken: string;
}

/** What the caller's history has. */
export async function listHistory(
  ctx: Ctx,
  input: ListHistoryInput,
): Promise<{ entries: Entry[]; nextPageToken: string }> {
  const accountId = callerAccount(ctx);
  const { since, type, filters, descending } = input;
  const conditions = conditionsOf(store.COLUMNS, filters);
  const query = {
    list: "history",
    accountId,
    since: since?.getTime() ?? null,
    type,
    descending,
    filters: filtersKey(filters),
  };
  const token = decodePageToken(ctx.key, query, input.pageToken) as [string, string] | undefined;
  const first = token && { place: token[0], id: token[1] };

  const shape = { ofType: type !== "", descending };
  const list = filters.length === 0 ? store.listEntries(shape) : store.listMatching(shape, conditions.where);
  const { rows, next } = await readPage<store.PlacedEntry>(
    input.pageSize || DEFAULT_PAGE,
    conditions.tests,
    (last, limit) => {
      const after = last ?? first;
      return list(ctx, { accountId, type, since, afterPlace: after?.place, afterId: after?.id, limit });
    },
  );
  return {
    entries: rows,
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [next.place, next.id]),
  };
}
