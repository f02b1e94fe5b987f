import { setTimeout as pause } from "node:timers/promises";
import type { Msg, NatsConnection, NatsError, Subscription } from "nats";
import type { Link } from "../link.js";
import { fromToken, toToken } from "../subject-token.js";
import type { Bus } from "./bus.js";
import { memoryBus } from "./memory.js";

export interface NatsBusParts {
  link: Link<NatsConnection>;
  /** First word of its subjects. */
  prefix: string;
  /** Names this installation: what others publish under the same prefix is not heard. */
  installation: string;
  onError(error: unknown): void;
}

/** Bytes that may be on their way to a server that has not said it took them; what comes then is lost, as a bus may. */
const MOST_UNCONFIRMED = 4 << 20;
/** Bytes after which the server is asked whether it took them. */
const ASK_AFTER = 64 << 10;
/** Milliseconds that a start waits until the server knows that somebody listens here. */
const HEARD_MS = 1_000;
/** The payload that says that notices of its sender were lost; no message has none. */
const LOST = "";

/**
 * The bus between nodes, over NATS core. This node's own listeners are served without it. One subscription takes all that
 * others publish, so that listening to a subject never waits for the server.
 */
export function natsBus({ link, prefix, installation, onError }: NatsBusParts): Bus {
  const local = memoryBus(onError);
  const root = `${prefix}.bus.${toToken(installation)}.`;
  let line: Line | undefined;
  let leave = () => {};
  // Whether the others have not heard of something that was published here.
  let lost = false;

  const hear = (error: NatsError | null, message: Msg) => {
    if (error !== null) return onError(error);
    if (message.data.length === 0) return local.gap();
    const subject = fromToken(message.subject.slice(root.length));
    if (!local.hears(subject)) return;
    try {
      local.publish(subject, message.json());
    } catch (broken) {
      onError(broken);
    }
  };

  /** Tells the others, once the server takes what is published, that something before did not reach them. */
  const tellLost = (connection: NatsConnection) => {
    if (!lost || connection.isClosed()) return;
    lost = false;
    connection.publish(`${root}lost`, LOST);
  };

  const follow = (connection: NatsConnection) => {
    const subscription = connection.subscribe(`${root}*`, { callback: hear });
    line = lineOver(connection, subscription, () => tellLost(connection));
    const stands = () => {
      local.gap();
      tellLost(connection);
    };
    connection.flush().then(stands, () => {});
    void connection.closed().then(() => {
      // What was on its way may have gone with the line.
      lost = true;
      local.gap();
    });
  };

  return {
    isShared: true,
    async start() {
      leave = link.follow(follow);
      const heard = line?.connection.flush().catch(() => {});
      if (heard) await Promise.race([heard, pause(HEARD_MS, undefined, { ref: false })]);
    },
    async stop() {
      leave();
      line?.subscription.unsubscribe();
      line = undefined;
      await local.stop();
    },
    isConnected: () => link.current() !== undefined,
    publish(subject, message) {
      local.publish(subject, message);
      // While NATS is away nothing is kept for it.
      if (line === undefined || line.connection !== link.current()) {
        lost = true;
        return;
      }
      try {
        if (!line.send(root + toToken(subject), JSON.stringify(message) ?? "null")) lost = true;
      } catch (error) {
        onError(error);
      }
    },
    subscribe: local.subscribe,
    onGap: local.onGap,
  };
}

interface Line {
  readonly connection: NatsConnection;
  readonly subscription: Subscription;
  /** False when it is lost, as too much is on its way already. Throws when NATS takes no message as long as that. */
  send(subject: string, payload: string): boolean;
}

/**
 * The driver keeps whatever a stalled server does not take, so what was not confirmed is counted here. `onRoom` is called when
 * the server has taken so much that there is room again.
 */
function lineOver(connection: NatsConnection, subscription: Subscription, onRoom: () => void): Line {
  let unconfirmed = 0;
  let asking = false;
  const ask = () => {
    if (asking) return;
    asking = true;
    const asked = unconfirmed;
    const confirmed = () => {
      asking = false;
      unconfirmed -= asked;
      if (unconfirmed > ASK_AFTER) ask();
      if (unconfirmed < MOST_UNCONFIRMED / 2) onRoom();
    };
    // A connection that is lost confirms nothing any more; the next one counts anew.
    connection.flush().then(confirmed, () => {});
  };
  return {
    connection,
    subscription,
    send(subject, payload) {
      if (unconfirmed > MOST_UNCONFIRMED) return false;
      connection.publish(subject, payload);
      unconfirmed += subject.length + payload.length;
      if (unconfirmed > ASK_AFTER) ask();
      return true;
    },
  };
}
