import type { Ctx } from "../../context.js";
import { decodeCursor } from "../../kernel/event-cursor.js";
import { readEvents, readHead, readPruned } from "../../platform/events/index.js";
import type { FollowedTopic } from "./rights.js";

/** Where a feed begins. */
export interface FeedStart {
  /** Whatever comes after this offset is brought; what comes up to `head` is read from the log. */
  readonly offset: number;
  readonly head: number;
  /** Whether something between what was asked for and the offset is not brought. */
  readonly isGap: boolean;
}

/**
 * Finds where a feed begins that is to come after a cursor, after everything (`""`) or from the earliest that is kept. Whoever
 * may not read what happened before he came begins now; if anything did since his cursor, that is a gap, also of `earliest`.
 * Throws INVALID_CURSOR.
 */
export async function findStart(ctx: Ctx, followed: readonly FollowedTopic[], asked: string): Promise<FeedStart> {
  const resume = asked === "" || asked === "earliest" ? undefined : decodeCursor(ctx.key, asked);
  const topics = followed.map(({ name }) => name);
  const [log] = await readHead(ctx, {});
  const head = Number(log!.lastOffset);
  const now = (isGap: boolean): FeedStart => ({ offset: head, head, isGap });
  if (asked === "") return now(false);
  const offset = resume?.offset ?? 0;
  if (resume !== undefined) {
    if (resume.epoch !== log!.epoch || offset > head) return now(true);
    if (offset < (await prunedOffset(ctx, topics))) return now(true);
  }
  if (followed.every(({ history }) => history)) return { offset, head, isGap: false };
  const [missed] = await readEvents(ctx, { topics, after: offset, limit: 1 });
  return now(missed !== undefined && Number(missed.logOffset) <= head);
}

/** The offset up to which events of the topics are gone. */
export async function prunedOffset(ctx: Ctx, topics: string[]): Promise<number> {
  const [found] = await readPruned(ctx, { topics });
  return Number(found!.pruned);
}
