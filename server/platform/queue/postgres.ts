import type { Bus } from "../bus/bus.js";
import type { DueJob, Hands, Queue } from "./queue.js";

const DUE = "jobs.due";
/** Milliseconds between two looks when nobody says that there is something to do. */
const POLL = 500;

/** The queue of one database alone: nodes that share a bus tell each other, all look at the table. */
export function postgresQueue({ bus }: { bus: Bus }): Queue {
  let hands: Hands | undefined;
  let looking: Promise<void> | undefined;
  let again = false;
  let timer: NodeJS.Timeout | undefined;
  let leave = () => {};

  const work = async () => {
    do {
      again = false;
      const free = hands?.free() ?? 0;
      if (free <= 0) return;
      if ((await hands!.take(free)) === free) again = true;
    } while (again && hands !== undefined);
  };
  const look = () => {
    again = true;
    looking ??= work().finally(() => {
      looking = undefined;
    });
  };
  const tick = () => {
    look();
    timer = setTimeout(tick, POLL * (0.75 + Math.random() / 2)).unref();
  };

  return {
    async start(worker) {
      hands = worker;
      leave = bus.subscribe(DUE, look);
      tick();
    },
    async stop() {
      hands = undefined;
      clearTimeout(timer);
      leave();
      await looking;
    },
    offer(due: readonly DueJob[]) {
      if (due.length > 0) bus.publish(DUE, {});
    },
    freed: look,
    isConnected: () => bus.isConnected(),
  };
}
