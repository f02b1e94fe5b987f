import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { ConstraintError, readPage, retried } from "../../platform/db/index.js";
import * as store from "./store.js";

/** One account, and the id of another as a request has it. */
export interface BlockInput {
  accountId: string;
  peerId: string;
}

/** Has an account block another; twice is once. Throws CONNECTION_TO_SELF, ACCOUNT_NOT_FOUND. */
export async function blockAccount(ctx: Ctx, input: BlockInput): Promise<void> {
  const { accountId } = input;
  const peerId = input.peerId === "me" ? accountId : parseId(input.peerId);
  if (peerId === accountId) throw new DomainError("CONNECTION_TO_SELF", undefined, { field: "peerId" });
  if (peerId === undefined) throw noPeer();
  const block = { accountId, peerId, at: ctx.clock.now() };
  await retried(() => store.insertBlock(ctx, block)).catch((error) => {
    if (error instanceof ConstraintError && error.kind === "foreign_key") throw noPeer();
    throw error;
  });
}

/** Lifts a block, if there is one. */
export async function unblockAccount(ctx: Ctx, { accountId, peerId: text }: BlockInput): Promise<void> {
  const peerId = parseId(text);
  // An id that can name nobody is not blocked.
  if (peerId !== undefined) await retried(() => store.deleteBlock(ctx, { accountId, peerId }));
}

export interface ListBlockedInput {
  accountId: string;
  pageSize: number;
  pageToken: string;
}

export interface BlockedList {
  blocks: store.BlockedRow[];
  nextPageToken: string;
}

const DEFAULT_PAGE = 50;

/** Whom an account has blocked. Throws INVALID_PAGE_TOKEN. */
export async function listBlocked(
  ctx: Ctx,
  { accountId, pageSize, pageToken }: ListBlockedInput,
): Promise<BlockedList> {
  const query = { list: "blocks", accountId };
  const [afterPlace, afterId] = (decodePageToken(ctx.key, query, pageToken) ?? []) as [string?, string?];
  const { rows, next } = await readPage<store.ListedBlock>(pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listBlocked(ctx, { accountId, afterPlace, afterId, limit }),
  );
  const nextPageToken = next === undefined ? "" : encodePageToken(ctx.key, query, [next.place, next.peerId]);
  return { blocks: rows, nextPageToken };
}

function noPeer(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "peerId" });
}

/** Who blocks an account: their ids, or `all` where they are more than `most`. */
export async function blockersOf(ctx: Pick<Ctx, "db">, accountId: string, most: number): Promise<string[] | "all"> {
  const blockers = await store.findBlockers(ctx, { accountId, limit: most + 1 });
  return blockers.length > most ? "all" : blockers.map(({ id }) => id);
}
