import { DomainError } from "../../kernel/errors.js";
import type { Bus } from "../bus/bus.js";
import type { Database } from "../db/db.js";
import { describeError, type Log } from "../log.js";
import type { CarriedLog, EventCarrier } from "./carrier.js";
import { earlyEvents } from "./early.js";
import type { EventLog, LoggedEvent } from "./events.js";
import { createHub } from "./hub.js";
import { BATCH, type EventRow, MOVE_BATCH, readHead, readRange } from "./store.js";

/**
 * Milliseconds between two batches under load: what comes in between travels together. A batch of 100 costs the database
 * half as much an event as one of 25; who listens to a quiet log waits for none of it.
 */
const SPACING = 20;
/** So many events go out before the streams get their turn: a burst must not overtake who keeps up with it. */
const BURST = 64;
/** Milliseconds between two looks at the database when nobody wakes the relay: alone or cut off, and while others are heard. */
const POLL = 100;
const POLL_CONNECTED = 500;
/** Carried events that wait for one before them, and characters of their data; beyond that they are read from the log. */
const MOST_EARLY = { events: 10_000, length: 16 << 20 };
/** Milliseconds that events may wait for being carried before the log tells of it. */
const LATE = 5_000;
/** Where the bus carries what is of the moment. */
const MOMENT = "events.moment";

export interface RelayParts {
  database: Database;
  bus: Bus;
  carrier: EventCarrier;
  log: Log;
  /** Whether this node numbers events; one that does not leaves that to others. It does when absent. */
  numbers?: boolean;
}

/** The relay of this node. Any number of nodes may run one: the database lets one at a time number events. */
export function relay({ database, bus, carrier, log, numbers = true }: RelayParts): EventLog {
  const at = { db: database };
  const hub = createHub((error) => log.error(describeError(error), "a listener of events failed"));
  const early = earlyEvents(MOST_EARLY);
  const streams = new Map<string, number>();
  let epoch = "";
  /** How far the log is known to go, and how far it has been handed out. */
  let head = 0;
  let published = 0;
  let outboxMs = 0;
  let late = false;
  let stopped = true;
  let leaveBus = () => {};
  let woken = false;
  /** Carried events that were handed out in this turn of the event loop. */
  let burst = 0;
  let turn: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const handOut = (event: LoggedEvent) => {
    if (event.offset <= published) return;
    published = event.offset;
    hub.publish(event);
  };

  const publish = async (logged: LoggedEvent[]) => {
    for (const [n, event] of logged.entries()) {
      if (n % BURST === BURST - 1) await new Promise(setImmediate);
      handOut(event);
    }
  };

  /** Hands out what others carried here, as far as nothing before it is missing. */
  const handOutEarly = () => {
    while (early.has(published + 1)) {
      if (burst >= BURST) return;
      if (burst++ === 0) setImmediate(goOn);
      handOut(early.take(published + 1)!);
    }
  };
  const goOn = () => {
    burst = 0;
    if (!stopped) handOutEarly();
  };
  const receive = (carried: readonly LoggedEvent[]) => {
    if (stopped) return;
    for (const event of carried) if (event.offset > published) early.keep(event);
    reached(carried.at(-1)?.offset ?? 0);
  };

  const reached = (offset: number) => {
    if (stopped) return;
    head = Math.max(head, offset);
    handOutEarly();
    // What is missing is on its way, or lost: the log has it.
    if (isMissing()) void run();
  };
  const isMissing = () => head > published && !early.has(published + 1);

  // Events that another node numbered before ours come first.
  const catchUp = async (upTo: number) => {
    while (published < upTo) {
      const rows = await readRange(at, { after: published, upTo, limit: BATCH });
      await publish(rows.map(toLoggedEvent));
      if (rows.length === BATCH) continue;
      // The rest is erased, as far as the log goes; another node's word for how far that is must not silence this one.
      const [found] = published < upTo ? await readHead(at, {}) : [];
      if (found === undefined) continue;
      const last = Number(found.lastOffset);
      published = Math.max(published, Math.min(upTo, last));
      if (head > last) head = Math.max(last, published);
      if (upTo > last) break;
    }
    // What was found in the log meanwhile.
    early.forget(published);
    handOutEarly();
  };

  const move = async (): Promise<number> => {
    const rows = await database.batch<EventRow>(MOVE_BATCH);
    rows.sort((a, b) => Number(a.logOffset - b.logOffset));
    const first = rows[0];
    if (first === undefined) return 0;
    const moved = rows.map(toLoggedEvent);
    carrier.carry(moved);
    await catchUp(Number(first.logOffset) - 1);
    await publish(moved);
    early.forget(published);
    return rows.length;
  };

  const work = async () => {
    // Other nodes number events too, also when there is nothing to number here.
    do {
      await catchUp(head);
      while (!stopped && woken) {
        woken = false;
        const moved = await move();
        await catchUp(head);
        if (moved >= BATCH) woken = true;
        else if (woken) await new Promise((resolve) => setTimeout(resolve, SPACING));
      }
    } while (!stopped && head > published);
  };

  const run = (): Promise<void> => {
    turn ??= work().then(
      () => {
        turn = undefined;
        // Whoever came while this turn was ending was not seen by it.
        if (!stopped && (woken || isMissing())) void run();
      },
      (error) => {
        turn = undefined;
        // The outbox keeps everything; the next look tries again.
        if (!(error instanceof DomainError)) log.error(describeError(error), "event relay failed");
      },
    );
    return turn;
  };

  const tellLate = () => {
    const { events, ms } = carrier.behind();
    if (late === ms > LATE) return;
    late = ms > LATE;
    if (late) log.warn({ events, ms: Math.round(ms) }, "events reach the other nodes late: they have to look for them");
    else log.info({}, "events reach the other nodes in time again");
  };

  const look = async () => {
    try {
      const [found] = await readHead(at, {});
      if (stopped) return;
      outboxMs = found?.waitingMs ?? 0;
      if (numbers && found !== undefined && found.waitingMs !== null) woken = true;
      else if (found !== undefined) head = Number(found.lastOffset);
      if (woken || head > published) await run();
    } catch (error) {
      if (!(error instanceof DomainError)) log.error(describeError(error), "event relay failed");
    }
    tellLate();
    if (!stopped) timer = setTimeout(look, carrier.isConnected() ? POLL_CONNECTED : POLL).unref();
  };

  return {
    async start() {
      const [found] = await readHead(at, {});
      if (found === undefined) throw new Error("the event log has no head: migrate the database");
      epoch = found.epoch;
      head = Number(found.lastOffset);
      published = head;
      stopped = false;
      leaveBus = bus.subscribe(MOMENT, (event) => hub.publish(event as LoggedEvent));
      const read: CarriedLog["read"] = async ({ after, limit }) => {
        const rows = await readRange(at, { after, upTo: Number.MAX_SAFE_INTEGER, limit });
        return rows.map(toLoggedEvent);
      };
      await carrier.start({ epoch, read, head: () => head, published: () => published, receive, reached });
      void look();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      leaveBus();
      await turn;
      await carrier.stop();
    },
    wake() {
      if (stopped || !numbers) return;
      woken = true;
      void run();
    },
    published: () => published,
    epoch: () => epoch,
    subscribe: hub.subscribe,
    async forget(topic) {
      const [found] = await readHead(at, {});
      await carrier.forget(topic, Number(found?.lastOffset ?? 0));
    },
    tell: (event) => bus.publish(MOMENT, { ...event, offset: 0 }),
    lag() {
      const { events, ms } = carrier.behind();
      return { outboxMs, behind: Math.max(0, head - published), uncarried: events, uncarriedMs: Math.round(ms) };
    },
    enter(owner, max) {
      const open = streams.get(owner) ?? 0;
      if (open >= max) {
        // One may be going: whoever opens it anew is there before its line was found to be dead.
        throw new DomainError("TOO_MANY_STREAMS", `${open} streams are open already.`, { retryAfterMs: 1_000 });
      }
      streams.set(owner, open + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        const now = (streams.get(owner) ?? 1) - 1;
        if (now === 0) streams.delete(owner);
        else streams.set(owner, now);
      };
    },
  };
}

/** A row of the log as it travels. */
export function toLoggedEvent(row: EventRow): LoggedEvent {
  return {
    offset: Number(row.logOffset),
    topic: row.topic,
    id: row.id,
    type: row.type,
    actorId: row.actorId,
    data: row.data,
    time: row.createdAt.getTime(),
  };
}
