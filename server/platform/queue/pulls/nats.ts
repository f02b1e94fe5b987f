import { setTimeout as pause } from "node:timers/promises";
import { createInbox, type Msg, type NatsConnection, type NatsError, nanos } from "nats";
import { fromToken, toToken } from "../../subject-token.js";
import type { Looking } from "../looking.js";
import type { JobStream } from "../stream/nats.js";

export interface PullsParts {
  connection: NatsConnection;
  stream: JobStream;
  looks: Looking;
  /** Called when the server does not hand out messages any more: these pulls are to be stopped then. */
  failed(error: unknown): void;
}

/** What this node pulls over one connection. */
export interface Pulls {
  /** Makes consumers for the queues that have none, pulls from all, and sees whether what was asked for was answered. */
  follow(queues: readonly string[]): void;
  /** Pulls where nothing is asked for, if there is room. */
  ask(): void;
  /** Whether the server has answered a pull. */
  hasWorked(): boolean;
  /** Asks for nothing more, gives back what it has and what still comes, and waits for what it looks for. */
  stop(): Promise<void>;
}

/** What is asked of one queue: one pull at a time. */
interface Pull {
  readonly queue: string;
  /** How many messages the server may still send for it; 0 when none is asked for. */
  open: number;
  /** When the server has said something at the latest, by performance.now(). */
  until: number;
  /** Messages that nobody has looked for yet. */
  held: Msg[];
  /** Whether the last look found nothing, though there were messages. */
  isStale: boolean;
  working: Promise<void> | undefined;
}

/** Milliseconds that the server keeps a pull that it has no message for, before it says so. */
const PULL_MS = 5_000;
/** Milliseconds after that until a server that says nothing has lost the pull, as when the consumer is gone. */
const GRACE_MS = 2_000;
/** Messages that are asked for at once when those that come are of jobs that are gone: whoever only looked has taken them. */
const MANY = 200;
const STOP_MS = 500;
const ACK = "+ACK";
const NAK = "-NAK";
/** What the server says when a pull is over that it had no messages for. */
const EXPIRED = 408;

/**
 * Pulls as many messages of each queue as hands are free. A message is a permit to look: the database says who does what. Who
 * got some looks for as many jobs and is done with them, whatever was there. What came beyond the hands, because jobs of other
 * queues took them meanwhile, goes back for others.
 */
export function pullsOver({ connection, stream, looks, failed }: PullsParts): Pulls {
  const inbox = createInbox();
  const pulls = new Map<string, Pull>();
  let making = false;
  let works = false;
  let isOver = false;

  const answer = (message: Msg, word: string) => {
    // What is not answered, since the connection is lost, goes to another node after a while.
    if (!connection.isClosed()) message.respond(word);
  };

  const ask = (pull: Pull) => {
    const room = looks.room();
    if (isOver || pull.open > 0 || room === 0 || connection.isClosed()) return;
    const batch = pull.isStale ? Math.max(room, MANY) : room;
    pull.open = batch;
    pull.until = performance.now() + PULL_MS + GRACE_MS;
    const request = JSON.stringify({ batch, expires: nanos(PULL_MS) });
    connection.publish(stream.pullSubjectOf(pull.queue), request, { reply: `${inbox}.${toToken(pull.queue)}` });
  };

  const work = async (pull: Pull) => {
    // What arrives in one go is one look.
    await new Promise(setImmediate);
    while (pull.held.length > 0) {
      const messages = pull.held.splice(0);
      const asks = Math.min(messages.length, looks.room());
      const took = await looks.take(asks, pull.queue);
      // A look that found less than it asked for leaves nothing for the messages beyond it.
      const done = took < asks ? messages.length : asks;
      pull.isStale = asks > 0 && took === 0;
      for (const [n, message] of messages.entries()) answer(message, n < done ? ACK : NAK);
    }
    pull.working = undefined;
    ask(pull);
  };

  const receive = (pull: Pull, message: Msg) => {
    pull.open = Math.max(0, pull.open - 1);
    if (isOver) return answer(message, NAK);
    pull.held.push(message);
    pull.working ??= work(pull);
  };

  const hear = (error: NatsError | null, message: Msg) => {
    if (error !== null) return failed(error);
    // Messages come under their own subject, what else the server says under that of the inbox; both end alike.
    const pull = pulls.get(fromToken(message.subject.slice(message.subject.lastIndexOf(".") + 1)));
    if (pull === undefined) return;
    const code = message.headers?.code ?? 0;
    if (code === 0 || code === EXPIRED) works = true;
    if (code === 0) return receive(pull, message);
    pull.open = 0;
    if (code === EXPIRED) ask(pull);
    else failed(new Error(`NATS ends a pull: ${message.headers?.description}`));
  };
  const subscription = connection.subscribe(`${inbox}.*`, { callback: hear });

  const make = async (queues: readonly string[]) => {
    for (const queue of queues) {
      if (isOver) return;
      await stream.addConsumer(queue);
      const pull: Pull = { queue, open: 0, until: 0, held: [], isStale: false, working: undefined };
      pulls.set(queue, pull);
      ask(pull);
    }
    making = false;
  };

  return {
    follow(queues) {
      const now = performance.now();
      for (const pull of pulls.values()) {
        if (pull.open > 0 && now > pull.until) return failed(new Error("NATS does not answer a pull"));
        ask(pull);
      }
      const fresh = queues.filter((queue) => !pulls.has(queue));
      if (fresh.length === 0 || making) return;
      making = true;
      make(fresh).catch(failed);
    },
    ask() {
      for (const pull of pulls.values()) ask(pull);
    },
    hasWorked: () => works,
    async stop() {
      isOver = true;
      for (const { held } of pulls.values()) for (const message of held.splice(0)) answer(message, NAK);
      // Ends the pulls at the server, and hears what that had sent before.
      const drained = connection.isClosed() ? undefined : subscription.drain();
      await Promise.all([...pulls.values()].map(({ working }) => working));
      const said = connection.isClosed() ? undefined : connection.flush();
      const settled = Promise.allSettled([drained, said]);
      await Promise.race([settled, pause(STOP_MS, undefined, { ref: false })]);
    },
  };
}
