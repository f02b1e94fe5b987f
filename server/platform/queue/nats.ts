import { setTimeout as pause } from "node:timers/promises";
import type { NatsConnection } from "nats";
import type { Link } from "../link.js";
import { describeError, type Log } from "../log.js";
import { looking } from "./looking.js";
import { type Offers, offersOver } from "./offers/nats.js";
import { type Pulls, pullsOver } from "./pulls/nats.js";
import type { Hands, Queue } from "./queue.js";
import { jobStream, StreamTaken } from "./stream/nats.js";

export interface NatsQueueParts {
  link: Link<NatsConnection>;
  log: Log;
  /** First word of its subjects; in capitals the first of the stream's name. */
  prefix: string;
  /** Names this installation: another's stream is left alone. */
  installation: string;
}

/** Milliseconds between two thoughts of what may be missing: a look, the consumer of a new queue, an answer. */
const BEAT = 500;
/** Milliseconds between two looks while NATS hands out jobs: a message that was lost costs that much. */
const LEAST_WAIT = 2_000;
const MOST_WAIT = 3_000;
/** Milliseconds that a start waits until it is known whether NATS hands out jobs. */
const OPEN_MS = 1_000;
/** Milliseconds before what failed is tried again, at first and at last, and before another's stream is. */
const AFTER_FAILURE = 250;
const MOST_AFTER_FAILURE = 2_000;
const AFTER_TAKEN = 30_000;

/**
 * The queue of nodes that share NATS: a work queue of JetStream brings each job that became due to one node that has a hand
 * free. Every node also looks at the table itself, so that nothing depends on NATS but how soon jobs are taken, and by whom.
 */
export function natsQueue(parts: NatsQueueParts): Queue {
  const { link, log } = parts;
  let hands = NO_HANDS;
  let line: Line | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lookAt = 0;
  let freeing = false;
  /** The queues of jobs that were ever offered here. */
  const offered = new Set<string>();
  let saidTaken = false;
  let opened = () => {};

  const looks = looking(
    () => hands,
    () => up()?.pulls.ask(),
  );
  const up = () => (line?.connection === link.current() ? line?.up : undefined);

  const beat = () => {
    const now = performance.now();
    if (up() === undefined || now >= lookAt) {
      lookAt = now + LEAST_WAIT + Math.random() * (MOST_WAIT - LEAST_WAIT);
      looks.look();
    }
    up()?.pulls.follow(hands.queues());
    timer = setTimeout(beat, BEAT * (0.75 + Math.random() / 2)).unref();
  };

  /** Pulls over a connection for as long as that lasts. */
  const serve = async (own: Line) => {
    const { connection, over } = own;
    const stream = jobStream(connection, parts);
    const ended = new Promise<void>((resolve) => over.addEventListener("abort", () => resolve()));
    const pull = async () => {
      await stream.open();
      let failed = (_: unknown) => {};
      const broken = new Promise<never>((_, reject) => {
        failed = reject;
      });
      const offers = offersOver(connection, stream, failed);
      own.up = { offers, pulls: pullsOver({ connection, stream, looks, failed }) };
      own.up.pulls.follow(hands.queues());
      opened();
      await Promise.race([ended, broken]);
    };
    for (let failures = 0; !over.aborted; failures++) {
      const error = await pull().catch((error: unknown) => error);
      const pulls = own.up?.pulls;
      own.up = undefined;
      await pulls?.stop();
      if (pulls?.hasWorked()) failures = 0;
      await rest(over, error, failures);
    }
  };

  const rest = async (signal: AbortSignal, error: unknown, failures: number) => {
    if (signal.aborted) return;
    let ms = Math.min(AFTER_FAILURE * 2 ** failures, MOST_AFTER_FAILURE);
    if (error instanceof StreamTaken) {
      ms = AFTER_TAKEN;
      if (!saidTaken)
        log.error({ prefix: parts.prefix }, "another installation's jobs are in NATS under this nats.prefix");
      saidTaken = true;
    } else if (failures === 1) {
      // The first may be the connection's end.
      log.warn(describeError(error), "NATS is there and hands out no jobs; they are found by looking");
    }
    await pause(ms, undefined, { signal, ref: false }).catch(() => {});
  };

  // For as long as the link lasts: a node that takes no jobs, not yet or no more, offers some.
  link.follow((connection) => {
    const over = new AbortController();
    void connection.closed().then(() => over.abort());
    line = { connection, over: over.signal, up: undefined };
    void serve(line);
  });

  return {
    async start(worker) {
      hands = worker;
      const isOpen = new Promise<void>((resolve) => {
        opened = resolve;
      });
      beat();
      if (line === undefined || up() !== undefined) return;
      await Promise.race([isOpen, pause(OPEN_MS, undefined, { ref: false })]);
    },
    async stop() {
      clearTimeout(timer);
      hands = NO_HANDS;
      await looks.stop();
      await up()?.pulls.stop();
    },
    offer(due) {
      const isSent = up()?.offers.send(due) ?? false;
      const isNew = due.some(({ queue }) => !offered.has(queue));
      for (const { queue } of due) offered.add(queue);
      // Nobody hears of what NATS does not take now, nor of a queue that is new to all: this node looks at once, others do later.
      if (!isSent || isNew) looks.look();
    },
    freed() {
      // Many hands that come free together look once.
      if (freeing) return;
      freeing = true;
      setImmediate(() => {
        freeing = false;
        looks.freed();
        up()?.pulls.ask();
      });
    },
    isConnected: () => up() !== undefined,
  };
}

/** A node that takes no jobs. */
const NO_HANDS: Hands = { free: () => 0, take: async () => 0, queues: () => [] };

/** What there is over one connection. */
interface Line {
  readonly connection: NatsConnection;
  /** Fires when the connection is lost. */
  readonly over: AbortSignal;
  /** There while NATS hands out jobs. */
  up: { readonly offers: Offers; readonly pulls: Pulls } | undefined;
}
