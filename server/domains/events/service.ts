import type { Ctx } from "../../context.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { type FeedInput, openFeed } from "./feed.js";
import { type Wish, wantedEvents } from "./wanted.js";

/** An event and where to resume after it. */
export interface PlacedEvent {
  event: LoggedEvent;
  cursor: string;
}

/** Events after a cursor, up to another, that are no longer kept. */
export interface Missing {
  from: string;
  to: string;
}

/** One thing a stream says. */
export type StreamItem =
  | ({ kind: "event" } & PlacedEvent)
  | { kind: "ready" | "heartbeat"; cursor: string }
  | ({ kind: "gap" } & Missing)
  | { kind: "goodbye"; reconnectAfterMs: number };

export type SubscribeInput = FeedInput & Wish;

/** A live stream that resumes. */
export async function* subscribe(ctx: Ctx, input: SubscribeInput): AsyncGenerator<StreamItem> {
  const isWanted = wantedEvents(input);
  const { heartbeat, streamTtl } = ctx.settings.events;
  const feed = await openFeed(ctx, input);
  try {
    const cursor = feed.cursor();
    yield { kind: "ready", cursor };
    if (feed.hasGap) yield { kind: "gap", from: input.afterCursor, to: cursor };
    const life = streamTtl * (0.8 + Math.random() * 0.4);
    for await (const item of feed.items({ life, silence: () => heartbeat, whenBehind: "refuse" })) {
      if (item === "live") continue;
      if (item === "silence") yield { kind: "heartbeat", cursor: feed.cursor() };
      else if (item === "goodbye") yield { kind: "goodbye", reconnectAfterMs: 100 + Math.floor(Math.random() * 900) };
      else if (Array.isArray(item)) yield { kind: "gap", from: feed.cursor(item[0]), to: feed.cursor(item[1]) };
      else if (isWanted(item)) yield { kind: "event", event: item, cursor: feed.cursor(item.offset) };
    }
  } finally {
    feed.close();
  }
}
