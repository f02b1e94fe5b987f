import type { Hands } from "./queue.js";

/** The looks of one node for due jobs. */
export interface Looking {
  /** How many jobs may be asked for: hands that a look under way asks for are not free. */
  room(): number;
  /** Looks for due jobs of one queue, for `most` or as many as there is room for; answers how many it took. */
  take(most: number, queue: string): Promise<number>;
  /** Looks for due jobs of any queue until there are no more, or no hands. */
  look(): void;
  /** Looks if the hands that have come free may find what earlier looks had to leave. */
  freed(): void;
  /** Begins no look any more, and waits for those under way. */
  stop(): Promise<void>;
}

/** `ended` is called when a look is over, which may have made room. */
export function looking(hands: () => Hands, ended: () => void): Looking {
  const underWay = new Set<Promise<number>>();
  let size = 0;
  let isOver = false;
  /** Whether there may be due jobs that were left for want of hands. */
  let left = false;
  let working = false;
  let again = false;

  const free = () => {
    const now = hands().free();
    size = Math.max(size, now);
    return now;
  };
  const room = () => (isOver ? 0 : free());
  // Of some names only so many run at once. What is left because of that is for whoever runs them to look for when one ends.
  const isBusy = () => free() < size;

  const take = async (most: number, queues?: readonly string[]) => {
    const asks = Math.min(most, room());
    if (asks === 0) return 0;
    const look = hands().take(asks, queues);
    underWay.add(look);
    const took = await look;
    underWay.delete(look);
    if (took < asks && isBusy()) left = true;
    ended();
    return took;
  };

  const work = async () => {
    do {
      again = false;
      const asks = room();
      const took = await take(asks);
      left = took === asks || isBusy();
      if (asks > 0 && took === asks) again = true;
    } while (again && !isOver);
    working = false;
  };
  const look = () => {
    again = true;
    if (working || isOver) return;
    working = true;
    void work();
  };

  return {
    room,
    take: (most, queue) => take(most, [queue]),
    look,
    freed() {
      if (left) look();
    },
    async stop() {
      isOver = true;
      await Promise.all(underWay);
    },
  };
}
