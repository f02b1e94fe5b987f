import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { callerAccount } from "../accounts/index.js";
import * as store from "./store-mutual.js";

const DEFAULT_PAGE = 50;

export interface ListMutualInput {
  peerId: string;
  type: string;
  pageSize: number;
  pageToken: string;
}

export interface MutualList {
  accountIds: string[];
  nextPageToken: string;
}

/** Whom both the caller and a peer have made a connection of a type to; `me` as the peer is all of his own. */
export async function listMutual(ctx: Ctx, input: ListMutualInput): Promise<MutualList> {
  const accountId = callerAccount(ctx);
  const { type } = input;
  const peerId = input.peerId === "me" ? accountId : parseId(input.peerId);
  if (peerId === undefined) throw noPeer();
  const query = { list: "mutual", accountId, peerId, type };
  const [after] = (decodePageToken(ctx.key, query, input.pageToken) ?? []) as [string?];

  const size = input.pageSize || DEFAULT_PAGE;
  const compared = await store.listMutual(ctx, { accountId, peerId, type, after, limit: size + 1 });
  if (compared.length === 0) throw noPeer();
  const shared = compared.filter(({ isMutual }) => isMutual).map((row) => row.accountId!);
  const rows = shared.slice(0, size);
  const last = compared.at(-1)!;
  // Nothing that was looked at is looked at again, though it may be that none of it was mutual.
  const next = shared.length > size ? rows.at(-1)! : last.isEnd ? last.accountId! : undefined;
  const nextPageToken = next === undefined ? "" : encodePageToken(ctx.key, query, [next]);
  return { accountIds: rows, nextPageToken };
}

function noPeer(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "peerId" });
}
