import type { Ctx } from "../../context.js";
import { decodeCursor } from "../../kernel/event-cursor.js";
import { readEvents, readHead, readPruned } from "../../platform/events/index.js";
import { cursorAt } from "./feed-item.js";
import type { FollowedTopic } from "./rights.js";

/** Where a feed begins. */
export interface FeedStart {
  /** Whatever comes after this offset is brought; what comes up to `head` is read from the log. */
  readonly offset: number;
  readonly head: number;
  /** Topics of which nothing up to `head` is brought, although it may be there. */
  readonly withheld: ReadonlySet<string>;
  /** How far topics were pruned, where that is beyond what was asked for: of what went before nothing more is said. */
  readonly pruned: ReadonlyMap<string, number>;
  /** Set when there is a gap: where to resume as long as it was not told, so that it is told again. */
  readonly beforeGap?: string;
}

const NONE: Pick<FeedStart, "withheld" | "pruned"> = { withheld: new Set(), pruned: new Map() };

/** A start at an offset where everything is known. */
export function startAt(offset: number): FeedStart {
  return { offset, head: offset, ...NONE };
}

/**
 * Finds where a feed begins that is to come after a cursor, after everything (`""`) or from the earliest that is kept. Of a
 * topic whose past the caller may not read he gets what happens from now on; if anything did since his cursor, that is a gap,
 * also of `earliest`. Throws INVALID_CURSOR.
 *
 * A cursor that every topic is pruned beyond, or of another log, is answered by a gap and what happens from now on. One cursor
 * stands for all topics, and only some of them may be pruned beyond it, or withheld. What is kept then still comes, so a gap must not move the reader past it: it leads to just before the first event that comes, or to the head when none
 * does. Whoever breaks off on his way from there hears of the gap again if more of it lies ahead, and loses nothing.
 */
export async function findStart(ctx: Ctx, followed: readonly FollowedTopic[], asked: string): Promise<FeedStart> {
  const resume = asked === "" || asked === "earliest" ? undefined : decodeCursor(ctx.key, asked);
  const [log] = await readHead(ctx, {});
  const head = Number(log!.lastOffset);
  if (asked === "") return startAt(head);
  if (resume !== undefined && (resume.epoch !== log!.epoch || resume.offset > head)) {
    return { ...startAt(head), beforeGap: asked };
  }
  const names = followed.map(({ name }) => name);
  const withheld = followed.filter(({ history }) => !history).map(({ name }) => name);
  const pruned = await prunedAfter(ctx, names, resume?.offset ?? 0);
  // What was gone before anybody asked is missing to nobody.
  const offset = resume?.offset ?? Math.min(...names.map((name) => pruned.get(name) ?? 0));
  const start: FeedStart = { offset, head, withheld: new Set(withheld), pruned };
  const isPruned = resume !== undefined && pruned.size > 0;
  if (!isPruned && (await firstEvent(ctx, withheld, offset, head)) === undefined) return start;
  const open = names.filter((name) => !start.withheld.has(name));
  // Nothing is whole: whoever has to load afresh has no use for the rest.
  if (resume !== undefined && open.every((name) => pruned.has(name))) return { ...startAt(head), beforeGap: asked };
  const first = await firstEvent(ctx, open, offset, head);
  return { ...start, offset: first === undefined ? head : first - 1, beforeGap: cursorAt(ctx, offset) };
}

/** The offset of the first event of some topics between two offsets. */
async function firstEvent(ctx: Ctx, topics: string[], after: number, upTo: number): Promise<number | undefined> {
  const [row] = topics.length === 0 ? [] : await readEvents(ctx, { topics, after, limit: 1 });
  const offset = row && Number(row.logOffset);
  return offset !== undefined && offset <= upTo ? offset : undefined;
}

/** How far each of the topics was pruned, where that is beyond an offset. */
export async function prunedAfter(
  ctx: Ctx,
  topics: readonly string[],
  offset: number,
): Promise<ReadonlyMap<string, number>> {
  const pruned = await readPruned(ctx, { topics: [...topics], after: offset });
  return new Map(pruned.map(({ topic, logOffset }) => [topic, Number(logOffset)]));
}
