import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { decodeCursor, type EventCursor, encodeCursor } from "../../kernel/event-cursor.js";
import {
  accountTopic,
  eventSubject,
  type LoggedEvent,
  readEvents,
  readHead,
  readPruned,
  toLoggedEvent,
} from "../../platform/events/index.js";
import { isSignedIn, onRevoked } from "../auth/index.js";
import { type Mailbox, mailbox } from "./mailbox.js";

const PAGE = 200;

/** Where a feed begins. */
export interface FeedInput {
  topics: string[];
  afterCursor: string;
}

/** How a feed behaves towards who reads it. */
export interface FeedManner {
  /** How long the feed lives, in milliseconds, if its token does. */
  readonly life: number;
  /** How long it may be silent until it says so. */
  silence(): number;
  /** What becomes of a reader who falls behind: he is refused, or what he missed is read from the log. */
  readonly whenBehind: "refuse" | "reread";
}

/** What a feed brings: an event, a gap between two offsets, or how it stands. `live`: everything that was kept has come. */
export type FeedItem = LoggedEvent | Gap | "live" | "silence" | "goodbye";

/** Events after one offset, up to another, that are no longer kept. */
export type Gap = [after: number, upTo: number];

/** The events of some topics from a cursor on: backfill from the log, cut over, live from the bus. */
export interface Feed {
  /** Whether events after the cursor that was asked for are no longer kept. */
  readonly hasGap: boolean;
  /** Where to resume after what was read so far. */
  cursor(offset?: number): string;
  items(manner: FeedManner): AsyncGenerator<FeedItem>;
  /** Whether no event waits to be read. */
  isIdle(): boolean;
  close(): void;
}

/** Opens a feed, which must be closed. Throws TOPIC_FORBIDDEN, INVALID_CURSOR, TOO_MANY_STREAMS, TOKEN_REVOKED. */
export async function openFeed(ctx: Ctx, input: FeedInput): Promise<Feed> {
  const topics = allowedTopics(ctx, input.topics);
  const asked = input.afterCursor;
  const resume = asked === "" || asked === "earliest" ? undefined : decodeCursor(ctx.key, asked);
  const box = mailbox();
  const close = attach(ctx, topics, box);
  try {
    // Whoever was let in just before he was revoked did not hear of it: nobody listened for him yet.
    if (!(await isSignedIn(ctx))) throw new DomainError("TOKEN_REVOKED");
    // The bus is listened to before the log is read, so nothing falls between the two.
    const start = await findStart(ctx, topics, asked, resume);
    const seen = { offset: start.offset };
    return {
      hasGap: start.gap,
      cursor: (offset = seen.offset) => encodeCursor(ctx.key, { epoch: ctx.events.epoch(), offset }),
      items: (manner) => follow(ctx, topics, box, seen, manner),
      isIdle: () => box.isEmpty(),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Every event of the topics after `seen`, and what keeps or ends the stream. */
async function* follow(
  ctx: Ctx,
  topics: string[],
  box: Mailbox,
  seen: { offset: number },
  manner: FeedManner,
): AsyncGenerator<FeedItem> {
  const end = performance.now() + Math.min(manner.life, tokenTtl(ctx));
  yield* backfill(ctx, topics, seen, box);
  yield "live";
  while (true) {
    const left = end - performance.now();
    if (left <= 0) {
      yield "goodbye";
      return;
    }
    const handedOut = ctx.events.published();
    const next = await box.next(Math.min(manner.silence(), left));
    if (next === "canceled") return;
    if (next === "revoked") throw new DomainError("TOKEN_REVOKED");
    if (next === "overflow") {
      if (manner.whenBehind === "refuse") throw new DomainError("SLOW_READER", undefined, { retryAfterMs: 0 });
      yield* backfill(ctx, topics, seen, box);
      continue;
    }
    if (next === "closing") {
      yield "goodbye";
      return;
    }
    if (next === undefined) {
      if (!(await isSignedIn(ctx).catch(() => true))) throw new DomainError("TOKEN_REVOKED");
      // Whatever was handed out before a silence has been looked at by its end.
      seen.offset = Math.max(seen.offset, handedOut);
      yield "silence";
    } else if (next.offset > seen.offset) {
      seen.offset = next.offset;
      yield next;
    }
  }
}

/** What the log holds after `seen`; what the bus brought meanwhile is skipped by offset, or read again when it was too much. */
async function* backfill(
  ctx: Ctx,
  topics: string[],
  seen: { offset: number },
  box: Mailbox,
): AsyncGenerator<LoggedEvent | Gap> {
  while (true) {
    box.clear();
    const rows = await readEvents(ctx, { topics, after: seen.offset, limit: PAGE });
    // Events may be pruned while a slow reader makes his way to them.
    const pruned = await prunedOffset(ctx, topics);
    if (pruned > seen.offset && seen.offset > 0) {
      const missed: Gap = [seen.offset, pruned];
      if (rows.length === 0) seen.offset = pruned;
      yield missed;
    }
    for (const row of rows) {
      seen.offset = Number(row.logOffset);
      yield toLoggedEvent(row);
    }
    if (rows.length < PAGE) return;
  }
}

async function findStart(
  ctx: Ctx,
  topics: string[],
  asked: string,
  resume: EventCursor | undefined,
): Promise<{ offset: number; gap: boolean }> {
  const [head] = await readHead(ctx, {});
  const last = Number(head!.lastOffset);
  if (asked === "") return { offset: last, gap: false };
  if (resume === undefined) return { offset: 0, gap: false };
  const pruned = await prunedOffset(ctx, topics);
  if (resume.epoch !== head!.epoch || resume.offset > last) return { offset: last, gap: true };
  if (resume.offset < pruned) return { offset: last, gap: true };
  return { offset: resume.offset, gap: false };
}

async function prunedOffset(ctx: Ctx, topics: string[]): Promise<number> {
  const [found] = await readPruned(ctx, { topics });
  return Number(found!.pruned);
}

/** Opens the stream's ears; returns what closes them. */
function attach(ctx: Ctx, topics: string[], box: Mailbox): () => void {
  const owner = ctx.caller.kind === "account" ? ctx.caller.accountId : "operator";
  const exits = [ctx.events.enter(owner, ctx.settings.events.streamsPerAccount)];
  for (const topic of topics) {
    exits.push(ctx.bus.subscribe(eventSubject(topic), (event) => box.put(event as LoggedEvent)));
  }
  exits.push(onRevoked(ctx.bus, ctx.caller, () => box.notify("revoked")));
  const onAbort = (signal: AbortSignal, notice: "canceled" | "closing") => {
    const listener = () => box.notify(notice);
    if (signal.aborted) listener();
    signal.addEventListener("abort", listener, { once: true });
    exits.push(() => signal.removeEventListener("abort", listener));
  };
  onAbort(ctx.signal, "canceled");
  onAbort(ctx.draining, "closing");
  return () => {
    for (const exit of exits) exit();
  };
}

function allowedTopics(ctx: Ctx, asked: string[]): string[] {
  const own = ctx.caller.kind === "account" ? accountTopic(ctx.caller.accountId) : undefined;
  if (asked.length === 0) {
    if (own === undefined) throw new DomainError("ACCOUNT_REQUIRED", undefined, { field: "topics" });
    return [own];
  }
  const topics = [...new Set(asked.map((topic) => (topic === "account/me" && own ? own : topic)))];
  const foreign = topics.find((topic) => topic !== own && !isAdmin(ctx.caller));
  if (foreign !== undefined) throw new DomainError("TOPIC_FORBIDDEN", undefined, { field: "topics" });
  return topics;
}

/** How long the token behind the stream lasts, in milliseconds. */
function tokenTtl(ctx: Ctx): number {
  if (ctx.caller.kind !== "account") return Number.POSITIVE_INFINITY;
  return ctx.caller.expiresAt.getTime() - ctx.clock.now().getTime();
}
