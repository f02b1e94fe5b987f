import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { conditionsOf, type Filter, filtersKey, type Rights, readPage, useColumn } from "../../platform/db/index.js";
import { foldLogin } from "./login.js";
import type { SeenAccount } from "./service.js";
import * as store from "./store-list.js";

const DEFAULT_PAGE = 50;
const DEFAULT_SORT = "create_time";

/** A login is compared as SignIn does it: case and Unicode form do not count. */
const COLUMNS = { ...store.COLUMNS, login: { ...store.COLUMNS.login!, equals: isLogin } };

export interface ListAccountsInput {
  filters: readonly Filter[];
  /** The fields to show, by their proto names; none is all. */
  readMask: string[];
  sort: string;
  descending: boolean;
  pageSize: number;
  pageToken: string;
}

export interface AccountList {
  accounts: SeenAccount[];
  /** The fields to show; undefined is all that may be seen. */
  fields: string[] | undefined;
  nextPageToken: string;
}

/**
 * Everyone's accounts, to whoever asks, but those he has blocked: what is not public serves administrators alone, who administer
 * and are shown everybody.
 */
export async function listAccounts(ctx: Ctx, input: ListAccountsInput): Promise<AccountList> {
  const rights = { whole: isAdmin(ctx.caller) };
  const conditions = conditionsOf(COLUMNS, input.filters, rights);
  const fields = shownFields(input.readMask, rights);
  const { name, column: sort } = sortColumn(input.sort || DEFAULT_SORT, rights);
  const { descending } = input;
  const query = {
    list: "accounts",
    filters: filtersKey(input.filters),
    fields: fields?.join() ?? null,
    sort: name,
    descending,
  };
  const from = decodePageToken(ctx.key, query, input.pageToken);
  const first = from && { place: decodePlace(from[0] as string), id: from[1] as string };

  const own = ctx.caller.kind === "account" ? ctx.caller.accountId : undefined;
  const withoutBlockedBy = rights.whole ? undefined : own;
  const page = await readPage<store.PlacedAccount>(input.pageSize || DEFAULT_PAGE, conditions.tests, (last, limit) =>
    store.listAccounts(ctx, {
      where: conditions.where,
      withoutBlockedBy,
      sort,
      descending,
      after: last ?? first,
      limit,
    }),
  );
  const { next } = page;
  return {
    accounts: page.rows.map((account) => ({ account, whole: rights.whole || account.id === own })),
    fields,
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [encodePlace(next.place), next.id]),
  };
}

function shownFields(paths: string[], rights: Rights): string[] | undefined {
  if (paths.length === 0) return undefined;
  return [...new Set(paths.map((path) => useColumn(COLUMNS, path, "readMask", rights).name))].sort();
}

function sortColumn(asked: string, rights: Rights) {
  const found = useColumn(COLUMNS, asked, "sort", rights);
  if (found.column.holds !== "texts") return found;
  throw new DomainError("UNKNOWN_COLUMN", `A list cannot be sorted by ${found.name}.`, { field: "sort" });
}

/** Nothing that no login can be is one. An empty text is that of whoever has none. */
function isLogin(text: string) {
  if (text === "") return store.NO_LOGIN;
  try {
    return store.hasLogin(foldLogin(text));
  } catch {
    return store.NOBODY;
  }
}

// In base64, since a control character takes six in JSON and a token has an end.
const encodePlace = (place: string) => Buffer.from(place).toString("base64");
const decodePlace = (text: string) => Buffer.from(text, "base64").toString();
