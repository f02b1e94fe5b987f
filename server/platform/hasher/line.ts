import type { Lane } from "./hasher.js";

/** Lets so much work run at once, and so much wait for it in each lane. */
export interface Line {
  /** Runs `work` when it is its turn. Throws what `refuse` makes when the lane is full. */
  inTurn<T>(lane: Lane, work: () => Promise<T>): Promise<T>;
  /** Throws the same. */
  checkRoom(lane: Lane): void;
}

/** Who is known goes before all strangers; within a lane, whoever came first. */
export function createLine(terms: {
  atOnce: number;
  waiting: Readonly<Record<Lane, number>>;
  refuse: () => Error;
}): Line {
  const lanes: Record<Lane, (() => void)[]> = { known: [], stranger: [] };
  let running = 0;

  const checkRoom = (lane: Lane) => {
    if (running >= terms.atOnce && lanes[lane].length >= terms.waiting[lane]) throw terms.refuse();
  };

  return {
    checkRoom,
    async inTurn(lane, work) {
      checkRoom(lane);
      if (running >= terms.atOnce) {
        await new Promise<void>((resolve) => lanes[lane].push(resolve));
      } else {
        running++;
      }
      try {
        return await work();
      } finally {
        const next = lanes.known.shift() ?? lanes.stranger.shift();
        if (next) next();
        else running--;
      }
    },
  };
}
