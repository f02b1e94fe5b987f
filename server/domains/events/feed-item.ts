import type { Ctx } from "../../context.js";
import { encodeCursor } from "../../kernel/event-cursor.js";
import type { LoggedEvent } from "../../platform/events/index.js";

/** An event and where to resume after it; the cursor of one that is of the moment only is empty. */
export interface PlacedEvent {
  event: LoggedEvent;
  cursor: string;
}

/** Events after a cursor, up to another, that are no longer kept, or not for this reader. */
export interface Missing {
  from: string;
  to: string;
}

/** One thing a feed says. */
export type FeedItem =
  | ({ kind: "event" } & PlacedEvent)
  | { kind: "ready" | "heartbeat"; cursor: string }
  | ({ kind: "gap" } & Missing)
  | { kind: "goodbye"; reconnectAfterMs: number };

/** Who takes what a feed says. */
export interface FeedReader {
  /** False when the reader is behind: nothing more is written until he has caught up. */
  write(item: FeedItem): boolean;
  /** Calls back once, when the reader has caught up. */
  onDrain(listener: () => void): void;
  /** Everything that was kept has come: whatever is written from now on happens now. */
  live?(): void;
}

/** Where to resume after an offset of the log. */
export function cursorAt({ key, events }: Pick<Ctx, "key" | "events">, offset: number): string {
  return encodeCursor(key, { epoch: events.epoch(), offset });
}
