import { randomUUID } from "node:crypto";
import type { Bus } from "../bus/bus.js";
import type { DueJob, Hands, Queue } from "./queue.js";

const DUE = "jobs.due";
/** Milliseconds between two looks when nobody says that there is something to do. */
const POLL = 500;
/** Milliseconds between two notices to the other nodes, which a notice each would cost more than the jobs. */
const SPACING = 5;

/** The queue of one database alone: nodes that share a bus tell each other, all look at the table. */
export function postgresQueue({ bus }: { bus: Bus }): Queue {
  let hands: Hands | undefined;
  let looking: Promise<void> | undefined;
  let again = false;
  let poll: NodeJS.Timeout | undefined;
  let telling: NodeJS.Timeout | undefined;
  let untold = false;
  let leave = () => {};
  const self = randomUUID();

  const work = async () => {
    // What ends in the same turn of the event loop leaves its room to one claim.
    await new Promise(setImmediate);
    while (again && hands !== undefined) {
      again = false;
      const free = hands.free();
      if (free > 0 && (await hands.take(free)) === free) again = true;
    }
  };
  const look = () => {
    again = true;
    looking ??= work().finally(() => {
      looking = undefined;
    });
  };
  const tick = () => {
    look();
    poll = setTimeout(tick, POLL * (0.75 + Math.random() / 2)).unref();
  };
  const tell = () => {
    untold = telling !== undefined;
    if (untold) return;
    bus.publish(DUE, { by: self });
    telling = setTimeout(() => {
      telling = undefined;
      if (untold) tell();
    }, SPACING).unref();
  };

  return {
    async start(worker) {
      hands = worker;
      leave = bus.subscribe(DUE, (message) => (message as { by?: string }).by !== self && look());
      tick();
    },
    async stop() {
      hands = undefined;
      clearTimeout(poll);
      leave();
      await looking;
    },
    offer(due: readonly DueJob[]) {
      if (due.length === 0) return;
      if (hands !== undefined) look();
      tell();
    },
    freed: look,
    isConnected: () => bus.isConnected(),
  };
}
