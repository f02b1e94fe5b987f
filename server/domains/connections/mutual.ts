import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { readPage } from "../../platform/db/index.js";
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

  const { rows, next } = await readPage<string>(input.pageSize || DEFAULT_PAGE, [], async (_, limit) => {
    const found = await store.listMutual(ctx, { accountId, peerId, type, after, limit });
    if (found.length === 0) throw noPeer();
    return found.map((row) => row.accountId).filter((id) => id !== null);
  });
  const nextPageToken = next === undefined ? "" : encodePageToken(ctx.key, query, [next]);
  return { accountIds: rows, nextPageToken };
}

function noPeer(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "peerId" });
}
