import type { Ctx } from "../../context.js";
import { adminCalled } from "../../kernel/admin-call.js";
import { endOf, type Loss } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { share } from "../../kernel/share.js";
import { type LoggedEvent, readEvents, toLoggedEvent } from "../../platform/events/index.js";
import { lossesOf } from "../auth/index.js";
import { checkedPresence, type Ears, enter, listen, takePlace } from "./feed-holds.js";
import { cursorAt, type FeedItem, type FeedReader } from "./feed-item.js";
import { type FeedStart, findStart, prunedAfter, startAt } from "./feed-start.js";
import { Mailbox } from "./mailbox.js";
import { type FollowedTopic, followedTopic, followedTopics, strangerOfTopic } from "./rights.js";
import { type Streams, streamsOf, type Tended } from "./streams.js";
import { type IsWanted, ofScopes } from "./wanted.js";

/** Events in one look at the log. */
const PAGE = 200;

/** Where streams that have come to what is live began: nobody asks any more. */
const PAST = startAt(0);

/** Who asks for a feed. */
type FeedMethod = "Subscribe" | "Poll";

/** Where a feed begins, and what it says of who reads it. */
export interface FeedInput {
  topics: string[];
  /** A cursor, `earliest`, or nothing: from now on. */
  afterCursor: string;
  /** What others see of the caller in topics with presence. */
  presence?: object | undefined;
}

/**
 * Opens a feed, which must be closed. Throws TOPIC_FORBIDDEN, ACCOUNT_REQUIRED, INVALID_CURSOR, PRESENCE_TOO_LARGE,
 * TOO_MANY_STREAMS, TOKEN_REVOKED, CONFLICT.
 */
export async function openFeed(ctx: Ctx, method: FeedMethod, input: FeedInput, isWanted: IsWanted): Promise<Feed> {
  const presence = checkedPresence(input.presence);
  const rechecks = streamsOf(ctx).rechecks();
  const topics = await followedTopics(ctx, input.topics);
  const feed = new Feed(ctx, topics, input.afterCursor, ofScopes(ctx.caller, isWanted));
  try {
    // The hub is listened to before the log is read, so nothing falls between the two.
    feed.attach(topics, presence);
    const [losses, start] = await Promise.all([lossesOf([ctx]), findStart(ctx, topics, input.afterCursor)]);
    // Whoever was let in just before he was revoked did not hear of it: nobody listened for him yet.
    checkLoss(losses.get(ctx));
    if (streamsOf(ctx).rechecks() !== rechecks) await feed.askRules();
    await noteFollowed(ctx, topics, method);
    feed.begin(start);
    return feed;
  } catch (error) {
    feed.close();
    throw error;
  }
}

/**
 * The events of some topics from a cursor on: what is in the log, then, cut over without a seam, what happens. Whatever
 * happens is written in the turn in which the hub brings it, as long as the reader keeps up; a little waits for one who does
 * not, and then he is cut off.
 */
export class Feed implements Tended, Ears {
  readonly topics: string[];
  readonly #exits: (() => void)[] = [];
  readonly #queue = new Mailbox();
  readonly #streams: Streams;
  #start = PAST;
  /** Everything up to this offset was written, or is not wanted. */
  #seen = 0;
  #reader: FeedReader | undefined;
  #isLive = false;
  #hasRoom = true;
  /** Where to resume until the gap at the start was told. */
  #beforeGap: string | undefined;
  #hasGap = false;
  /** Set when it has to end before it has begun to write. */
  #isLeaving = false;
  /** Set at the end; with an error, it is why. */
  #end: { error?: unknown } | undefined;
  #settle: ((end: { error?: unknown }) => void) | undefined;
  #wake: (() => void) | undefined;
  /** Of `performance.now()`: when it says goodbye, since when it is silent, and when its rights were looked at. */
  #endsAt = Number.POSITIVE_INFINITY;
  #silentSince = 0;
  #checkedAt = performance.now();
  /** Whether it wrote something since the last beat. */
  #spoke = false;

  constructor(
    readonly ctx: Ctx,
    followed: readonly FollowedTopic[],
    private readonly asked: string,
    private readonly isWanted: IsWanted,
  ) {
    this.topics = followed.map(({ name }) => name);
    this.#streams = streamsOf(ctx);
  }

  /** Begins to listen. Throws TOO_MANY_STREAMS. */
  attach(followed: readonly FollowedTopic[], presence: object | undefined): void {
    const { ctx } = this;
    takePlace(ctx, this.#exits);
    listen(ctx, this.topics, this.#exits, this);
    enter(ctx, followed, presence, this.#exits);
    this.#exits.push(this.#streams.add(this));
  }

  begin(start: FeedStart): void {
    this.#start = start;
    this.#seen = start.offset;
    this.#beforeGap = start.beforeGap;
  }

  /** Where to resume after what was read so far. */
  cursor(): string {
    return this.#beforeGap ?? cursorAt(this.ctx, this.#seen);
  }

  /**
   * Writes to a reader for at most `life` milliseconds, or as long as the token lasts. Resolves at its end, also when the call
   * ends before. Rejects with SLOW_READER, TOKEN_REVOKED, TOPIC_FORBIDDEN.
   */
  run(reader: FeedReader, life = Number.POSITIVE_INFINITY): Promise<void> {
    this.#reader = reader;
    this.#endsAt = performance.now() + Math.min(life, tokenTtl(this.ctx));
    return new Promise((resolve, reject) => {
      this.#settle = (end) => ("error" in end ? reject(end.error) : resolve());
      if (this.#end !== undefined) this.#settle(this.#end);
      else this.#tell().catch((error) => this.#finish({ error }));
    });
  }

  /** Ends it, with the error if there is one; what was written is still read. */
  end(error?: DomainError): void {
    this.#finish(error === undefined ? {} : { error });
  }

  /**
   * Ends it by a goodbye, or without one when the reader has no room for it: he may never have, and is not to outlast his token
   * or hold up a stop. He resumes after what he has read.
   */
  leave(): void {
    if (this.#isOver) return;
    this.#isLeaving = true;
    if (this.#reader === undefined) return;
    if (this.#hasRoom) this.#write({ kind: "goodbye", reconnectAfterMs: 100 + Math.floor(Math.random() * 900) });
    this.#finish({});
  }

  close(): void {
    this.#finish({});
    for (const exit of this.#exits.splice(0)) exit();
  }

  beat(now: number): boolean {
    if (this.#isOver || this.#reader === undefined) return false;
    const { heartbeat } = this.ctx.settings.events;
    if (now >= this.#endsAt) {
      this.leave();
      return false;
    }
    if (this.#spoke) this.#silentSince = now;
    this.#spoke = false;
    if (this.#isLive && this.#hasRoom && now - this.#silentSince >= heartbeat) {
      this.#catchUp();
      this.#write(this.#streams.heartbeat(this.#seen));
    }
    if (now - this.#checkedAt < heartbeat) return false;
    this.#checkedAt = now;
    return true;
  }

  async askRules(): Promise<unknown> {
    const failures = await Promise.all(this.topics.map((topic) => this.#askRule(topic)));
    return failures.find((failure) => failure !== undefined);
  }

  async #askRule(topic: string): Promise<unknown> {
    if (this.#isOver) return undefined;
    try {
      await followedTopic(this.ctx, topic);
    } catch (error) {
      // A rule that cannot answer now has not said no.
      if (!(error instanceof DomainError && error.reason === "TOPIC_FORBIDDEN")) return error;
      this.end(error);
    }
    return undefined;
  }

  get #isOver(): boolean {
    return this.#end !== undefined;
  }

  /** What is known when it begins, what the log holds, and what came meanwhile. */
  async #tell(): Promise<void> {
    await this.#say({ kind: "ready", cursor: this.cursor() });
    if (this.ctx.draining.aborted || this.#isLeaving) return this.leave();
    if (this.#beforeGap !== undefined) await this.#sayGap(this.asked);
    if (this.#seen < this.#start.head || this.#queue.isOverfull) {
      await this.#backfill();
      if (this.#isOver) return;
      this.#pass(this.#start.head);
      // The reader is past what was missing, also when nothing he wants came since: it is not told again.
      if (this.#hasGap) this.#write(this.#streams.heartbeat(this.#seen));
    }
    if (this.#isOver) return;
    this.#start = PAST;
    this.#isLive = true;
    this.#flush();
    if (!this.#isOver) this.#reader?.live?.();
  }

  async #backfill(): Promise<void> {
    const { ctx, topics } = this;
    const { head, withheld } = this.#start;
    const known = new Map(this.#start.pruned);
    let rows: Awaited<ReturnType<typeof readEvents>>;
    do {
      // Whatever has come by now is in the log, but for what is of the moment.
      this.#queue.clear(({ offset }) => offset === 0);
      rows = await readEvents(ctx, { topics, after: this.#seen, limit: PAGE });
      // Events may be pruned while a slow reader makes his way to them.
      const pruned = await prunedAfter(ctx, topics, this.#seen);
      if (this.#isOver) return;
      const lost = [...pruned].filter(([topic, mark]) => mark > (known.get(topic) ?? 0));
      for (const [topic, mark] of lost) known.set(topic, mark);
      if (lost.length > 0) {
        const from = this.cursor();
        // Up to what comes next, or to the head when nothing is left.
        this.#pass(rows.length === 0 ? head : Number(rows[0]!.logOffset) - 1);
        await this.#sayGap(from);
      }
      for (const row of rows) {
        if (this.#isOver) return;
        const event = toLoggedEvent(row);
        this.#seen = event.offset;
        if (event.offset <= head && withheld.has(event.topic)) continue;
        if (this.isWanted(event)) await this.#say(this.#streams.placed(event));
      }
    } while (!this.#isOver && (rows.length === PAGE || this.#queue.isOverfull));
  }

  /** Takes what the hub brings. */
  hear(event: LoggedEvent): void {
    const { offset } = event;
    if (this.#isOver || (offset !== 0 && offset <= this.#seen)) return;
    const isPrompt = this.#isLive && this.#hasRoom;
    if (!this.isWanted(share(event))) {
      if (isPrompt) this.#pass(offset);
    } else if (isPrompt) {
      this.#bring(event);
    } else if (!this.#queue.put(event) && offset !== 0 && this.#isLive) {
      const metadata = { cursor: this.cursor() };
      this.end(new DomainError("SLOW_READER", undefined, { retryAfterMs: 0, metadata }));
    }
  }

  /** Brings what waited, as far as there is room. */
  #flush(): void {
    while (this.#hasRoom && !this.#isOver) {
      const event = this.#queue.take();
      if (event === undefined) return;
      if (event.offset === 0 || event.offset > this.#seen) this.#bring(event);
    }
  }

  #bring(event: LoggedEvent): void {
    this.#pass(event.offset);
    this.#write(this.#streams.placed(event));
  }

  #pass(offset: number): void {
    if (offset > this.#seen) this.#seen = offset;
  }

  /** Whatever the hub has brought so far has been looked at by who waits for nothing. */
  #catchUp(): void {
    if (this.#isLive && this.#hasRoom && this.#queue.isEmpty) this.#pass(this.ctx.events.published());
  }

  /** Says that something after `from` is missing, and where to resume from now on. */
  async #sayGap(from: string): Promise<void> {
    if (this.#isOver) return;
    this.#beforeGap = undefined;
    this.#hasGap = true;
    await this.#say({ kind: "gap", from, to: this.cursor() });
  }

  /** Writes, and waits until there is room for more. */
  async #say(item: FeedItem): Promise<void> {
    if (this.#isOver) return;
    this.#write(item);
    if (!this.#hasRoom && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #write(item: FeedItem): void {
    const reader = this.#reader!;
    try {
      this.#hasRoom = reader.write(item);
      this.#spoke = true;
      if (!this.#hasRoom) reader.onDrain(() => this.#onRoom());
    } catch (error) {
      this.#finish({ error });
    }
  }

  #onRoom(): void {
    this.#hasRoom = true;
    if (this.#isLive) this.#flush();
    else this.#wake?.();
  }

  #finish(end: { error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#catchUp();
    this.#end = end;
    this.#settle?.(end);
    this.#wake?.();
  }
}

/** Whoever reads what an account hears of, or what is withheld, as an administrator stands in the audit log before he reads it. */
async function noteFollowed(ctx: Ctx, followed: readonly FollowedTopic[], method: FeedMethod): Promise<void> {
  const strangers = new Set(followed.map(({ name }) => strangerOfTopic(ctx, name)));
  for (const id of strangers) {
    if (id !== undefined) await ctx.audit.record(ctx, adminCalled(`backstay.events.v1.EventService/${method}`, id));
  }
}

/** Throws TOKEN_REVOKED, and CONFLICT when the caller is to come again with fewer roles. */
function checkLoss(loss: Loss | undefined): void {
  if (loss === "sign-in") throw new DomainError("TOKEN_REVOKED");
  if (loss === "role") throw new DomainError("CONFLICT", "The caller has just lost a role.", { retryAfterMs: 1_000 });
}

/** How long the token or key behind the feed lasts, in milliseconds. */
function tokenTtl({ caller, clock }: Ctx): number {
  return endOf(caller) - clock.now().getTime();
}
