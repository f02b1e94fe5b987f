import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { fieldError } from "../../kernel/field-error.js";
import { idAt, timeOf } from "../../kernel/ids.js";
import { checkDepth, checkText, writtenBytes } from "../../kernel/json-text.js";
import { ConstraintError, replayedResource } from "../../platform/db/index.js";
import { accountTopic } from "../../platform/events/index.js";
import { callerAccount } from "../accounts/index.js";
import { entryAdded } from "./events.js";
import * as store from "./store.js";
import type { EntryRow } from "./store-row.js";

/** Something that happened, as it is remembered. */
export type Entry = EntryRow;

export interface AppendHistoryInput {
  /** May be empty. */
  type: string;
  /** Any value of JSON, null too; undefined where there is none. */
  data: unknown;
}

const MOST_BYTES = 64 * 1024;

/** Adds an entry to the caller's history. */
export async function appendHistory(ctx: Ctx, input: AppendHistoryInput): Promise<Entry> {
  const accountId = callerAccount(ctx);
  const createdAt = ctx.clock.now();
  // Of this very moment: a repeat has only the id, and is to answer the time as well, though the entry may be forgotten by then.
  const id = idAt(createdAt, ctx.ids.next());
  const entry = { id, type: input.type, data: toText(input.data), createdAt };
  const isNew = await insertOnce(ctx, {
    ...entry,
    data: entry.data ?? undefined,
    accountId,
    eventId: ctx.ids.next(),
    topics: [accountTopic(accountId)],
    eventType: "history.add",
    actorId: accountId,
    eventData: entryAdded(entry),
    at: createdAt,
  }).catch((error) => {
    // The caller's account was deleted meanwhile.
    if (error instanceof ConstraintError && error.kind === "foreign_key") throw new DomainError("INVALID_TOKEN");
    throw error;
  });

  if (!isNew) return repeated(ctx, entry);
  ctx.afterCommit(() => ctx.events.wake());
  return entry;
}

async function insertOnce(ctx: Ctx, entry: store.NewEntry): Promise<boolean> {
  const { idempotency } = ctx;
  if (idempotency === undefined) return (await store.insertEntry(ctx, entry)).length > 0;
  const { scope, key, hash: requestHash } = idempotency;
  return (await store.insertEntryOnce(ctx, { ...entry, scope, key, requestHash, resourceId: entry.id })).length > 0;
}

/** The entry that the same request made before. */
async function repeated(ctx: Ctx, entry: Entry): Promise<Entry> {
  const id = await replayedResource(ctx, ctx.idempotency!);
  return { ...entry, id, createdAt: new Date(timeOf(id)) };
}

/** The data as JSON. Throws INVALID_FIELD, NUL_IN_TEXT, INVALID_UTF8. */
function toText(data: unknown): string | null {
  if (data === undefined) return null;
  const text = JSON.stringify(data);
  checkText(text, "data");
  if (writtenBytes(data, text) > MOST_BYTES) {
    throw fieldError("INVALID_FIELD", "data", "at most 64 KiB of JSON");
  }
  checkDepth(text, "data");
  return text;
}
