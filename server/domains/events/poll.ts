import type { Ctx } from "../../context.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { type Feed, type FeedInput, openFeed } from "./feed.js";
import type { FeedItem, Missing, PlacedEvent } from "./feed-item.js";
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
  const isWished = wantedEvents(input);
  const caller = ctx.caller.kind === "account" ? ctx.caller.accountId : undefined;
  const isOwn = ({ actorId }: LoggedEvent) => input.othersOnly && actorId !== null && actorId === caller;
  const feed = await openFeed(ctx, "Poll", input, (event) => !isOwn(event) && isWished(event));
  try {
    return await gather(ctx, feed, input);
  } finally {
    feed.close();
  }
}

async function gather(ctx: Ctx, feed: Feed, input: PollInput): Promise<Polled> {
  const { pollInterval, pollTimeout } = ctx.settings.events;
  // An event that happened in two of the topics is one event.
  const gathered = new Map<string, PlacedEvent>();
  let gap: Missing | undefined;
  let data = 0;
  let isLive = false;
  let timer: NodeJS.Timeout | undefined;
  let end = performance.now() + Math.min(input.wait ?? pollTimeout, pollTimeout);

  /** What is here already belongs to the answer, however late it is. */
  const endInTime = () => {
    clearTimeout(timer);
    const left = end - performance.now();
    if (left <= 0) feed.end();
    else timer = setTimeout(() => feed.end(), left);
  };

  const take = (placed: PlacedEvent) => {
    if (gathered.has(placed.event.id)) return;
    gathered.set(placed.event.id, placed);
    data += placed.event.data.length;
    if (gathered.size === MOST_EVENTS || data >= MOST_DATA) feed.end();
    else if (gathered.size === 1) {
      end = performance.now() + (input.gather ?? pollInterval);
      if (isLive) endInTime();
    }
  };

  try {
    await feed.run({
      write(item: FeedItem) {
        if (item.kind === "event") take(item);
        if (item.kind === "gap") {
          gap = { from: gap?.from ?? item.from, to: item.to };
        }
        return true;
      },
      onDrain() {},
      live() {
        isLive = true;
        // Whoever missed something is to hear of it now, with what is kept, and not when something happens.
        if (gap === undefined) endInTime();
        else feed.end();
      },
    });
  } finally {
    clearTimeout(timer);
  }
  return { events: [...gathered.values()], cursor: feed.cursor(), gap };
}
