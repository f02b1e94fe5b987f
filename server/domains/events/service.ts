import type { Ctx } from "../../context.js";
import { type FeedInput, openFeed } from "./feed.js";
import type { FeedReader } from "./feed-item.js";
import { type Wish, wantedEvents } from "./wanted.js";

export type SubscribeInput = FeedInput & Wish;

/** A live stream that resumes. */
export async function subscribe(ctx: Ctx, input: SubscribeInput, reader: FeedReader): Promise<void> {
  const isWanted = wantedEvents(input);
  const feed = await openFeed(ctx, "Subscribe", input, isWanted);
  try {
    await feed.run(reader, ctx.settings.events.streamTtl * (0.8 + Math.random() * 0.4));
  } finally {
    feed.close();
  }
}
