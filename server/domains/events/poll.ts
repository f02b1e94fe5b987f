import type { Ctx } from "../../context.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { type Feed, type FeedInput, openFeed } from "./feed.js";
import type { Missing, PlacedEvent } from "./service.js";
import { type Wish, wantedEvents } from "./wanted.js";

/** An answer is full with so many events, or characters of their data. */
const MOST_EVENTS = 256;
const MOST_DATA = 1 << 20;

export interface PollInput extends FeedInput, Wish {
  othersOnly: boolean;
  /** Milliseconds; undefined is what the settings say. */
  gather: number | undefined;
  wait: number | undefined;
}

export interface Polled {
  events: PlacedEvent[];
  cursor: string;
  gap: Missing | undefined;
}

/** Waits for a first event, gathers what follows it for a while, and answers all at once. */
export async function poll(ctx: Ctx, input: PollInput): Promise<Polled> {
  const isWanted = wantedEvents(input);
  const feed = await openFeed(ctx, input);
  try {
    // Whoever missed something is to hear of it now, not when something happens.
    if (feed.hasGap) {
      const cursor = feed.cursor();
      return { events: [], cursor, gap: { from: input.afterCursor, to: cursor } };
    }
    return await gather(ctx, feed, input, isWanted);
  } finally {
    feed.close();
  }
}

async function gather(
  ctx: Ctx,
  feed: Feed,
  input: PollInput,
  isWanted: (event: LoggedEvent) => boolean,
): Promise<Polled> {
  const { pollInterval, pollTimeout, heartbeat } = ctx.settings.events;
  const caller = ctx.caller.kind === "account" ? ctx.caller.accountId : undefined;
  const isOwn = (event: LoggedEvent) => input.othersOnly && event.actorId !== null && event.actorId === caller;
  // An event that happened in two of the topics is one event.
  const gathered = new Map<string, PlacedEvent>();
  let end = performance.now() + Math.min(input.wait ?? pollTimeout, pollTimeout);
  let isLive = false;
  let data = 0;
  const left = () => Math.max(0, end - performance.now());
  const answer = (gap?: Missing): Polled => ({ events: [...gathered.values()], cursor: feed.cursor(), gap });

  const manner = {
    life: Number.POSITIVE_INFINITY,
    silence: () => Math.min(heartbeat, left()),
    whenBehind: "reread",
  } as const;
  for await (const item of feed.items(manner)) {
    if (item === "goodbye") break;
    if (Array.isArray(item)) return answer({ from: feed.cursor(item[0]), to: feed.cursor(item[1]) });
    if (item === "live") {
      isLive = true;
    } else if (item !== "silence" && !isOwn(item) && isWanted(item) && !gathered.has(item.id)) {
      if (gathered.size === 0) end = performance.now() + (input.gather ?? pollInterval);
      gathered.set(item.id, { event: item, cursor: feed.cursor(item.offset) });
      data += item.data.length;
      if (gathered.size === MOST_EVENTS || data >= MOST_DATA) break;
    }
    // What is here already belongs to the answer, however late it is.
    if (isLive && left() === 0 && feed.isIdle()) break;
  }
  return answer();
}
