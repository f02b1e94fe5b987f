import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { readPage } from "../../platform/db/index.js";
import { accountTopic } from "../../platform/events/index.js";
import { callerAccount } from "../accounts/index.js";
import { followedTopic, topicName } from "./rights.js";
import * as store from "./store-presence.js";

const DEFAULT_PAGE = 100;

export interface ListPresenceInput {
  topic: string;
  accountIds: string[];
  pageSize: number;
  pageToken: string;
}

/** Somebody who is there. */
export interface Present {
  accountId: string;
  since: Date;
  /** JSON of what was said on joining. */
  data: string | null;
}

export interface PresencePage {
  presences: Present[];
  nextPageToken: string;
}

/**
 * Who is in a topic, or who of some accounts is there at all. Those are left out whom the caller has blocked; of accounts also those
 * who have blocked him, and may be away as well, unless they are in a topic, which would show them.
 */
export async function listPresence(ctx: Ctx, input: ListPresenceInput): Promise<PresencePage> {
  if ((input.topic === "") === (input.accountIds.length === 0)) {
    throw new DomainError("INVALID_FIELD", "Name either a topic or accounts.", { field: "topic" });
  }
  const topic = input.topic && topicName(ctx, input.topic, "topic");
  const query = { list: "presence", topic };
  const [from] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  const grace = ctx.settings.events.presenceGrace;
  const reader = { readerId: ctx.caller.kind === "account" ? ctx.caller.accountId : undefined, grace };
  if (topic === "") return { presences: await findAccounts(ctx, input.accountIds, reader), nextPageToken: "" };

  const { presence } = await followedTopic(ctx, topic, "topic");
  if (!presence) throw new DomainError("TOPIC_FORBIDDEN", undefined, { field: "topic" });
  const { rows, next } = await readPage<Present>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listTopic(ctx, { ...reader, topic, after: from as string | undefined, limit }),
  );
  return {
    presences: rows,
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [next.accountId]),
  };
}

function findAccounts(
  ctx: Ctx,
  asked: string[],
  reader: { readerId: string | undefined; grace: number },
): Promise<Present[]> {
  const ids = asked.map((text) => (text === "me" ? callerAccount(ctx) : parseId(text)));
  const accountIds = [...new Set(ids.filter((id) => id !== undefined))];
  return store.findPlaces(ctx, { ...reader, topics: accountIds.map(accountTopic), accountIds });
}
