import type { Ctx } from "../../context.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { conditionsOf, type Filter, filtersKey, readPage } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import { countersMoved } from "../counters/index.js";
import type { Message } from "./service.js";
import * as store from "./store-list.js";
import { listUnread as findUnread, takeUnread } from "./store-read.js";

const DEFAULT_PAGE = 50;

export interface MessagePage {
  messages: Message[];
  nextPageToken: string;
}

export interface ListMessagesInput {
  senderId: string;
  since: Date | undefined;
  descending: boolean;
  pageSize: number;
  pageToken: string;
  filters: readonly Filter[];
}

/** What the caller received. */
export async function listMessages(ctx: Ctx, input: ListMessagesInput): Promise<MessagePage> {
  const recipientId = callerAccount(ctx);
  const { filters, descending } = input;
  const conditions = conditionsOf(store.COLUMNS, filters);
  const senderId = input.senderId === "" ? undefined : parseId(input.senderId);
  const since = input.since?.getTime();
  const query = {
    list: "messages",
    recipientId,
    sender: input.senderId,
    since: since ?? null,
    descending,
    ...(filters.length > 0 && { filters: filtersKey(filters) }),
  };
  const [from] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  // A sender's id that can name nobody has sent nothing.
  if (input.senderId !== "" && senderId === undefined) return { messages: [], nextPageToken: "" };

  const shape = { bySender: senderId !== undefined, descending };
  const list = filters.length === 0 ? store.listReceived(shape) : store.listMatching(shape, conditions.where);
  const page = await readPage(input.pageSize || DEFAULT_PAGE, conditions.tests, (last, limit) => {
    const after = last === undefined ? (from as number | undefined) : Number(last.mtime);
    return list(ctx, { recipientId, senderId, since, after, limit });
  });
  const { next } = page;
  const nextPageToken = next === undefined ? "" : encodePageToken(ctx.key, query, [Number(next.mtime)]);
  return { messages: page.rows, nextPageToken };
}

export interface ListUnreadInput {
  markRead: boolean;
  pageSize: number;
  pageToken: string;
}

/** What the caller received and has not read; marks it read when asked to. */
export async function listUnread(ctx: Ctx, input: ListUnreadInput): Promise<MessagePage> {
  const recipientId = callerAccount(ctx);
  const query = { list: "unread", recipientId, markRead: input.markRead };
  const [from] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  const after = from as number | undefined;
  const limit = input.pageSize || DEFAULT_PAGE;
  const tokenAfter = (last: { mtime: bigint } | undefined) =>
    last === undefined ? "" : encodePageToken(ctx.key, query, [Number(last.mtime)]);

  if (!input.markRead) {
    const read = (_: unknown, count: number) => findUnread(ctx, { recipientId, after, limit: count });
    const { rows, next } = await readPage(limit, [], read);
    return { messages: rows, nextPageToken: tokenAfter(next) };
  }
  const at = ctx.clock.now();
  const messages = await takeUnread(ctx, { recipientId, after, limit, at, atMs: at.getTime() });
  if (messages.length > 0) countersMoved(ctx, recipientId);
  const last = messages.at(-1);
  return { messages, nextPageToken: tokenAfter(last?.more ? last : undefined) };
}
