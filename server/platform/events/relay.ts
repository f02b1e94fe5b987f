import { DomainError } from "../../kernel/errors.js";
import type { Bus } from "../bus/bus.js";
import type { Database } from "../db/db.js";
import { describeError, type Log } from "../log.js";
import { type EventLog, eventSubject, type LoggedEvent } from "./events.js";
import { BATCH, type EventRow, MOVE_BATCH, readHead, readRange } from "./store.js";

/**
 * Milliseconds between two batches under load: what comes in between travels together. A batch of 100 costs the database
 * half as much an event as one of 25; who listens to a quiet log waits for none of it.
 */
const SPACING = 20;
/** So many events go out before the streams get their turn: a burst must not overtake who keeps up with it. */
const BURST = 64;
/** Milliseconds between two looks at the database when nobody wakes the relay. */
const POLL = 100;

/** The relay of this node. Any number of nodes may run one: the database lets one at a time number events. */
export function relay(parts: { database: Database; bus: Bus; log: Log }): EventLog {
  const { database, bus, log } = parts;
  const at = { db: database };
  const streams = new Map<string, number>();
  let epoch = "";
  /** How far the log is known to go, and how far it has been handed out. */
  let head = 0;
  let published = 0;
  let stopped = true;
  let woken = false;
  let turn: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const publish = async (rows: EventRow[]) => {
    for (const [n, row] of rows.entries()) {
      if (n % BURST === BURST - 1) await new Promise(setImmediate);
      const event = toLoggedEvent(row);
      if (event.offset <= published) continue;
      published = event.offset;
      bus.publish(eventSubject(event.topic), event);
    }
  };

  // Events that another node numbered before ours come first.
  const catchUp = async (upTo: number) => {
    while (published < upTo) {
      const rows = await readRange(at, { after: published, upTo, limit: BATCH });
      await publish(rows);
      if (rows.length < BATCH) published = Math.max(published, upTo);
    }
  };

  const move = async (): Promise<number> => {
    const rows = await database.batch<EventRow>(MOVE_BATCH);
    rows.sort((a, b) => Number(a.logOffset - b.logOffset));
    const first = rows[0];
    if (first !== undefined) await catchUp(Number(first.logOffset) - 1);
    await publish(rows);
    return rows.length;
  };

  const work = async () => {
    // Other nodes number events too, also when there is nothing to number here.
    await catchUp(head);
    while (!stopped && woken) {
      woken = false;
      const moved = await move();
      await catchUp(head);
      if (moved >= BATCH) woken = true;
      else if (woken) await new Promise((resolve) => setTimeout(resolve, SPACING));
    }
  };

  const run = (): Promise<void> => {
    turn ??= work()
      .catch((error) => {
        // The outbox keeps everything; the next look tries again.
        if (!(error instanceof DomainError)) log.error(describeError(error), "event relay failed");
      })
      .finally(() => {
        turn = undefined;
      });
    return turn;
  };

  const look = async () => {
    try {
      const [found] = await readHead(at, {});
      if (found?.waiting) woken = true;
      else if (found !== undefined) head = Number(found.lastOffset);
      if (woken || head > published) await run();
    } catch (error) {
      if (!(error instanceof DomainError)) log.error(describeError(error), "event relay failed");
    }
    if (!stopped) timer = setTimeout(look, POLL).unref();
  };

  return {
    async start() {
      const [found] = await readHead(at, {});
      if (found === undefined) throw new Error("the event log has no head: migrate the database");
      epoch = found.epoch;
      head = Number(found.lastOffset);
      published = head;
      stopped = false;
      void look();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turn;
    },
    wake() {
      if (stopped) return;
      woken = true;
      void run();
    },
    published: () => published,
    epoch: () => epoch,
    enter(owner, max) {
      const open = streams.get(owner) ?? 0;
      if (open >= max) throw new DomainError("TOO_MANY_STREAMS", `${open} streams are open already.`);
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
