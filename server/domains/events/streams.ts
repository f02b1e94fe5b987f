import type { Ctx, Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { encoder, share } from "../../kernel/share.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { lossesOf } from "../auth/index.js";
import { describe } from "./describe.js";
import { cursorAt, type FeedItem } from "./feed-item.js";
import { RECHECK, type Recheck } from "./recheck.js";

/** A stream as its node looks after it. */
export interface Tended {
  readonly ctx: Ctx;
  readonly topics: readonly string[];
  /** Does what is due at `now` (of `performance.now()`); answers whether its rights are to be looked at again. */
  beat(now: number): boolean;
  /** Asks the rules of its topics again, and ends when one says no. Answers why one could not answer, if so. */
  askRules(): Promise<unknown>;
  /** Ends with a goodbye, if there is room for one. */
  leave(): void;
  end(error: DomainError): void;
}

/** The streams of one node, looked after together: thousands of timers, and as many queries, would cost more than the streams. */
export interface Streams {
  /** Returns what takes the stream out again. */
  add(stream: Tended): () => void;
  /** An event as streams say it: of one that came over the hub the same object for all of them. */
  placed(event: LoggedEvent): FeedItem;
  /** The heartbeat that says how far the node is: the same for all streams it has brought so far. */
  heartbeat(offset: number): FeedItem;
  /** How often rules were to be asked again so far. */
  rechecks(): number;
}

/** Between two looks at all streams, in milliseconds: the least and the most. */
const SOONEST = 10;
const LATEST = 250;
/** Streams in one go: between two the server does something else. So many are asked about at once. */
const AT_ONCE = 256;

const nodes = new WeakMap<object, Streams>();

/** The streams of the node that a call came to. */
export function streamsOf(ctx: Ctx): Streams {
  let streams = nodes.get(ctx.events);
  if (streams === undefined) {
    streams = createStreams(ctx);
    nodes.set(ctx.events, streams);
  }
  return streams;
}

/** What it keeps is the node's, and nothing of the call it is made in. */
function createStreams({ key, events, bus, draining, settings, log: lines }: Ports): Streams {
  const log = { key, events };
  const open = new Set<Tended>();
  const { heartbeat, streamTtl } = settings.events;
  const period = Math.max(SOONEST, Math.min(LATEST, heartbeat / 4, streamTtl / 4));
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;
  let rechecks = 0;
  let last: { offset: number; item: FeedItem } | undefined;

  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    const due: Tended[] = [];
    let count = 0;
    for (const stream of open) {
      if (stream.beat(performance.now())) due.push(stream);
      if (++count % AT_ONCE === 0) await new Promise(setImmediate);
    }
    isLooking = false;
    if (due.length > 0) await lookAtRights(due, lines);
  };

  const made: Streams = {
    add(stream) {
      open.add(stream);
      timer ??= setInterval(look, period).unref();
      return () => {
        open.delete(stream);
        if (open.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
    placed: encoder((event: LoggedEvent): FeedItem => {
      const cursor = event.offset === 0 ? "" : cursorAt(log, event.offset);
      return { kind: "event", event, cursor };
    }),
    heartbeat(offset) {
      if (last?.offset !== offset) {
        last = { offset, item: share<FeedItem>({ kind: "heartbeat", cursor: cursorAt(log, offset) }) };
      }
      return last.item;
    },
    rechecks: () => rechecks,
  };

  // One listener each for all streams: to take one of thousands out of a signal would cost a look at all of them.
  draining.addEventListener("abort", () => {
    for (const stream of open) stream.leave();
  });
  bus.subscribe(RECHECK, (message) => {
    const { topic } = message as Recheck;
    rechecks++;
    const asked = [...open].filter(({ topics }) => topic === undefined || topics.includes(topic));
    void askRules(asked, lines);
  });
  return made;
}

async function lookAtRights(due: readonly Tended[], log: Ports["log"]): Promise<void> {
  // Of sign-ins that cannot be looked up nothing is known: the streams stay.
  const losses = await lossesOf(due.map(({ ctx }) => ctx)).catch(() => new Map<Ctx, never>());
  for (const stream of due) {
    const loss = losses.get(stream.ctx);
    if (loss === "sign-in") stream.end(new DomainError("TOKEN_REVOKED"));
    else if (loss === "role") stream.leave();
  }
  await askRules(due, log);
}

/** Asks about each stream once, about a bounded number at a time: one whose rule does not answer holds up one place, for a while. */
async function askRules(streams: readonly Tended[], log: Ports["log"]): Promise<void> {
  const failures: unknown[] = [];
  const left = streams.values();
  const askOn = async () => {
    for (const stream of left) {
      const failure = await stream.askRules();
      if (failure !== undefined) failures.push(failure);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, streams.length) }, askOn));
  if (failures.length === 0) return;
  log.error(
    { streams: failures.length, ...describe(failures[0]) },
    "rules of topics did not answer: their streams stay",
  );
}
