import { setTimeout as pause } from "node:timers/promises";
import type { Msg, NatsConnection, NatsError, Subscription } from "nats";
import { DomainError } from "../../kernel/errors.js";
import type { Link } from "../link.js";
import { describeError, type Log } from "../log.js";
import { carriedQueue } from "./carried-queue.js";
import type { CarriedLog, EventCarrier } from "./carrier.js";
import type { LoggedEvent } from "./events.js";
import {
  type EventStream,
  eventStream,
  isConflict,
  LEFT_OUT,
  offsetOf,
  type Position,
  StreamTaken,
} from "./stream/nats.js";

export interface NatsCarrierParts {
  link: Link<NatsConnection>;
  log: Log;
  /** First word of its subjects; in capitals the first of the stream's name. */
  prefix: string;
  /** Names this installation: another's stream is left alone. */
  installation: string;
  /** Milliseconds that NATS keeps events. */
  retention: number;
  /** Most bytes that NATS keeps. */
  maxBytes: number;
}

/** Offers that wait in memory; beyond that they are read from the log. */
const MOST_WAITING = { events: 5_000, length: 16 << 20 };
/** Milliseconds that a start waits until it is known whether NATS takes events. */
const OPEN_MS = 1_000;
/** Events sent before the first is confirmed, and most characters of their data: notices share the line. */
const BATCH = 500;
const BATCH_LENGTH = 1 << 19;
/** Milliseconds between two looks whether everything is carried: the node that should have may have died. */
const CHECK = 3_000;
/** Milliseconds before a node that lost a race tries again, and before one that failed does, at first and at last. */
const AFTER_CONFLICT = 15;
const AFTER_FAILURE = 250;
const MOST_AFTER_FAILURE = 2_000;
const AFTER_TAKEN = 30_000;
/** How long an erasure waits until NATS has what is older, in milliseconds, and how often it looks. */
const FORGET_MS = 5_000;
const FORGET_LOOK = 100;

/**
 * Carries events by a JetStream stream that holds them in the log's order, whichever node appends them: each is appended only
 * behind the one before it. Who fails looks how far the stream is, and goes on from there, out of the log when it must. Nodes
 * hear of events as they are appended, without a consumer; what one misses it reads from the log.
 */
export function natsCarrier(parts: NatsCarrierParts): EventCarrier {
  const { link, log } = parts;
  const queue = carriedQueue(MOST_WAITING);
  const stopping = new AbortController();
  let carried: CarriedLog;
  let line: Line | undefined;
  let leave = () => {};
  let timer: NodeJS.Timeout | undefined;
  let pumping: Promise<void> | undefined;
  let saidTaken = false;
  let opened = () => {};

  const hear = (error: NatsError | null, message: Msg) => {
    if (error !== null) return log.warn(describeError(error), "NATS does not let this node hear events");
    try {
      const offset = offsetOf(message.headers?.get("Nats-Msg-Id"), carried.epoch);
      if (offset <= carried.published()) return;
      if (message.headers?.has(LEFT_OUT)) carried.reached(offset);
      else carried.receive([message.json<LoggedEvent>()]);
    } catch (broken) {
      log.warn(describeError(broken), "an event came broken from NATS; the log has it");
    }
  };

  const take = (connection: NatsConnection) => {
    const subscription = connection.subscribe(`${parts.prefix}.events.>`, { callback: hear });
    const stream = eventStream(connection, { ...parts, epoch: carried.epoch });
    line?.over.abort();
    const over = new AbortController();
    const unknown = { position: undefined, drained: false, isUp: false, failures: 0 };
    line = { connection, subscription, stream, over, ...unknown };
    pump();
  };

  /** One batch further; answers whether there may be more. */
  const step = async (own: Line): Promise<boolean> => {
    if (own.position === undefined) {
      own.position = await own.stream.open();
      own.isUp = true;
      opened();
      own.drained = false;
      queue.done(own.position.offset);
      queue.expect(carried.head());
    }
    const { position } = own;
    const waiting = queue.run(BATCH);
    const gap = (waiting[0]?.offset ?? 0) - position.offset;
    if (waiting.length > 0 && gap === 1) {
      await append(own, portion(waiting), position);
      return true;
    }
    // What comes between is another node's to carry, and very likely carried.
    if (waiting.length > 0 && own.drained) {
      await append(own, portion(waiting), undefined);
      return true;
    }
    if (own.drained) return false;
    const known = Math.max(carried.head(), waiting.at(-1)?.offset ?? 0);
    const read = await carried.read({ after: position.offset, limit: BATCH });
    // The log has nothing after that: what was known of before is erased.
    if (read.length === 0) queue.done(known);
    else await append(own, portion(read), position);
    own.drained = read.length < BATCH && read.length === portion(read).length;
    return true;
  };

  const append = (own: Line, events: readonly LoggedEvent[], after: Position | undefined) =>
    own.stream.append(events, after, (now) => {
      own.position = now;
      queue.done(now.offset);
    });

  const carryOn = async () => {
    while (!stopping.signal.aborted) {
      const own = line;
      if (own === undefined || own.connection !== link.current()) break;
      try {
        const more = await step(own);
        if (!more && queue.run(1).length === 0) break;
        own.failures = 0;
      } catch (error) {
        own.position = undefined;
        await rest(own, error);
      }
    }
    // In the same breath as the last look at the queue, so that nothing is offered unseen.
    pumping = undefined;
  };

  /** Until it is worth trying again; what failed over one connection is tried over the next as soon as that is there. */
  const rest = async (own: Line, error: unknown) => {
    let ms = AFTER_CONFLICT * (0.5 + Math.random());
    if (error instanceof StreamTaken) {
      own.isUp = false;
      ms = AFTER_TAKEN;
      if (!saidTaken)
        log.error({ prefix: parts.prefix }, "another installation's events are in NATS under this nats.prefix");
      saidTaken = true;
    } else if (!isConflict(error)) {
      own.isUp = false;
      ms = Math.min(AFTER_FAILURE * 2 ** own.failures++, MOST_AFTER_FAILURE);
      // Once may be the connection's end; a lost database is told of elsewhere.
      const isNews = own.failures === 2 && !(error instanceof DomainError);
      if (isNews) log.warn(describeError(error), "NATS is there and takes no events; they are tried again");
    }
    await pause(ms, undefined, { signal: own.over.signal, ref: false }).catch(() => {});
  };

  const pump = () => {
    pumping ??= Promise.resolve().then(carryOn);
  };

  /** Completes the stream when this node does not know it to be. */
  const check = () => {
    if (line?.position === undefined || pumping !== undefined || carried.head() <= line.position.offset) return;
    line.position = undefined;
    pump();
  };

  return {
    async start(events) {
      carried = events;
      const isOpen = new Promise<void>((resolve) => {
        opened = resolve;
      });
      leave = link.follow(take);
      timer = setInterval(check, CHECK).unref();
      if (line !== undefined) await Promise.race([isOpen, pause(OPEN_MS, undefined, { ref: false })]);
    },
    async stop() {
      stopping.abort();
      clearInterval(timer);
      leave();
      line?.subscription.unsubscribe();
      line?.over.abort();
      line = undefined;
      await Promise.race([pumping, pause(500, undefined, { ref: false })]);
    },
    carry(events) {
      if (stopping.signal.aborted) return;
      queue.offer(events);
      pump();
    },
    async forget(topic, head) {
      const end = performance.now() + FORGET_MS;
      for (;;) {
        const own = line;
        if (own === undefined || own.connection !== link.current()) throw new Error("NATS is away");
        // Events are appended in order only: behind what is as new as the erasure, a node that was slow appends none of before.
        if ((await own.stream.open()).offset >= head) return own.stream.forget(topic);
        if (performance.now() > end) throw new Error("NATS does not have all events yet");
        await pause(FORGET_LOOK, undefined, { signal: own.over.signal, ref: false }).catch(() => {});
      }
    },
    isConnected: () => line?.isUp === true && line.connection === link.current(),
    behind: queue.behind,
  };
}

/** What is known over one connection. */
interface Line {
  readonly connection: NatsConnection;
  readonly subscription: Subscription;
  readonly stream: EventStream;
  /** How far the stream is; undefined when that has to be looked up. */
  position: Position | undefined;
  /** Whether the log had nothing beyond what is carried when it was read last. */
  drained: boolean;
  isUp: boolean;
  /** How often it failed since something succeeded. */
  failures: number;
  /** Fires when there is another one, or none is needed any more. */
  readonly over: AbortController;
}

/** As many of the first events as may be under way at once, at least one. */
function portion(events: readonly LoggedEvent[]): readonly LoggedEvent[] {
  let length = 0;
  const end = events.findIndex(({ data }) => {
    length += data.length;
    return length > BATCH_LENGTH;
  });
  return end === -1 ? events : events.slice(0, Math.max(1, end));
}
