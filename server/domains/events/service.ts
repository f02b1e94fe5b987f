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

/** One thing a stream says. */
export type StreamItem =
  | { kind: "event"; event: LoggedEvent; cursor: string }
  | { kind: "ready" | "heartbeat"; cursor: string }
  | { kind: "gap"; from: string; to: string }
  | { kind: "goodbye"; reconnectAfterMs: number };

const PAGE = 200;

export interface SubscribeInput {
  topics: string[];
  types: string[];
  afterCursor: string;
}

/** A live stream that resumes: backfill from the log, cut over, live from the bus. */
export async function* subscribe(ctx: Ctx, input: SubscribeInput): AsyncGenerator<StreamItem> {
  const topics = allowedTopics(ctx, input.topics);
  const asked = input.afterCursor;
  const resume = asked === "" || asked === "earliest" ? undefined : decodeCursor(ctx.key, asked);
  const box = mailbox();
  const leave = attach(ctx, topics, box);
  try {
    // The bus is listened to before the log is read, so nothing falls between the two.
    const start = await findStart(ctx, topics, asked, resume);
    const cursorAt = (offset: number) => encodeCursor(ctx.key, { epoch: ctx.events.epoch(), offset });
    yield { kind: "ready", cursor: cursorAt(start.offset) };
    if (start.gap) yield { kind: "gap", from: asked, to: cursorAt(start.offset) };
    const wanted = typeFilter(input.types);
    const seen = { offset: start.offset };
    for await (const event of follow(ctx, topics, box, seen)) {
      if (Array.isArray(event)) yield { kind: "gap", from: cursorAt(event[0]), to: cursorAt(event[1]) };
      else if (event === "heartbeat") yield { kind: "heartbeat", cursor: cursorAt(seen.offset) };
      else if (event === "goodbye") yield { kind: "goodbye", reconnectAfterMs: 100 + Math.floor(Math.random() * 900) };
      else if (wanted(event.type)) yield { kind: "event", event, cursor: cursorAt(event.offset) };
    }
  } finally {
    leave();
  }
}

/** Every event of the topics after `seen`, and what keeps or ends the stream. */
async function* follow(
  ctx: Ctx,
  topics: string[],
  box: Mailbox,
  seen: { offset: number },
): AsyncGenerator<LoggedEvent | Lost | "heartbeat" | "goodbye"> {
  const { heartbeat, streamTtl } = ctx.settings.events;
  const end = performance.now() + Math.min(streamTtl * (0.8 + Math.random() * 0.4), tokenTtl(ctx));
  yield* backfill(ctx, topics, seen, box);
  while (true) {
    const left = end - performance.now();
    if (left <= 0) {
      yield "goodbye";
      return;
    }
    const handedOut = ctx.events.published();
    const next = await box.next(Math.min(heartbeat, left));
    if (next === "canceled") return;
    if (next === "revoked") throw new DomainError("TOKEN_REVOKED");
    if (next === "overflow") throw new DomainError("SLOW_READER", undefined, { retryAfterMs: 0 });
    if (next === "closing") {
      yield "goodbye";
      return;
    }
    if (next === undefined) {
      if (!(await isSignedIn(ctx).catch(() => true))) throw new DomainError("TOKEN_REVOKED");
      // Whatever was handed out before a silence has been looked at by its end.
      seen.offset = Math.max(seen.offset, handedOut);
      yield "heartbeat";
    } else if (next.offset > seen.offset) {
      seen.offset = next.offset;
      yield next;
    }
  }
}

/** Events after one offset, up to another, that are no longer kept. */
type Lost = [after: number, upTo: number];

/** What the log holds after `seen`; what the bus brought meanwhile is skipped by offset, or read again when it was too much. */
async function* backfill(
  ctx: Ctx,
  topics: string[],
  seen: { offset: number },
  box: Mailbox,
): AsyncGenerator<LoggedEvent | Lost> {
  while (true) {
    box.clear();
    const rows = await readEvents(ctx, { topics, after: seen.offset, limit: PAGE });
    // Events may be pruned while a slow reader makes his way to them.
    const pruned = await prunedOffset(ctx, topics);
    if (pruned > seen.offset && seen.offset > 0) yield [seen.offset, pruned];
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

function typeFilter(types: string[]): (type: string) => boolean {
  if (types.length === 0) return () => true;
  const exact = new Set(types);
  const prefixes = types.filter((type) => type.endsWith("*")).map((type) => type.slice(0, -1));
  return (type) => exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}

/** How long the token behind the stream lasts, in milliseconds. */
function tokenTtl(ctx: Ctx): number {
  if (ctx.caller.kind !== "account") return Number.POSITIVE_INFINITY;
  return ctx.caller.expiresAt.getTime() - ctx.clock.now().getTime();
}
