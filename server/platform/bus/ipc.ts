import type { Bus } from "./bus.js";
import { memoryBus } from "./memory.js";

/** The line between a worker and its parent, as `process` and a child process have it. */
export interface Peer {
  /** Calls `sent` once the message has left this process, or cannot. */
  send(message: unknown, sent: (error: Error | null) => void): void;
  on(event: "message", listener: (message: unknown) => void): unknown;
  off(event: "message", listener: (message: unknown) => void): unknown;
}

/**
 * A notice on the line, apart from whatever else parent and worker tell each other. As text it is of a known length. An empty
 * one says that others were lost.
 */
interface Notice {
  notice: [subject: string, json: string] | [];
}

const LOST: Notice = { notice: [] };

/** So many notices, and characters of them, wait for somebody who does not read; what comes then is lost, as a bus may. */
const MOST_UNSENT = { notices: 10_000, length: 16 << 20 };

/** The bus of one worker among several on this machine: its parent hands notices on, by `shareNotices`. */
export function ipcBus(parent: Peer, onError: (error: unknown) => void): Bus {
  const local = memoryBus(onError);
  const send = boundedSend(parent);
  let running = false;
  const hear = (message: unknown) => {
    if (!isNotice(message)) return;
    const [subject, json] = message.notice;
    if (subject === undefined || json === undefined) local.gap();
    else if (local.hears(subject)) local.publish(subject, JSON.parse(json));
  };
  return {
    isShared: true,
    async start() {
      running = true;
      parent.on("message", hear);
    },
    async stop() {
      running = false;
      parent.off("message", hear);
      await local.stop();
    },
    isConnected: () => running,
    publish(subject, message) {
      local.publish(subject, message);
      if (!running) return;
      try {
        send({ notice: [subject, JSON.stringify(message) ?? "null"] });
      } catch (error) {
        onError(error);
      }
    },
    subscribe: local.subscribe,
    onGap: local.onGap,
  };
}

/** The parent's side: what the answered function is given as a worker hears the notices of all the others, until its end is called. */
export function shareNotices(): (worker: Peer) => () => void {
  const workers = new Map<Peer, (notice: Notice) => void>();
  return (worker) => {
    const pass = (message: unknown) => {
      if (!isNotice(message)) return;
      for (const [other, send] of workers) if (other !== worker) send(message);
    };
    workers.set(worker, boundedSend(worker));
    worker.on("message", pass);
    return () => {
      workers.delete(worker);
      worker.off("message", pass);
    };
  };
}

/** What does not fit is lost, and the peer is told so once there is some room again. */
function boundedSend(peer: Peer): (notice: Notice) => void {
  const unsent = { notices: 0, length: 0 };
  let lost = false;
  const fills = (share: number) =>
    unsent.notices >= MOST_UNSENT.notices * share || unsent.length >= MOST_UNSENT.length * share;
  const send = (notice: Notice) => {
    const length = notice.notice[1]?.length ?? 0;
    unsent.notices++;
    unsent.length += length;
    const sent = () => {
      unsent.notices--;
      unsent.length -= length;
      if (!lost || fills(0.5)) return;
      lost = false;
      send(LOST);
    };
    try {
      peer.send(notice, sent);
    } catch {
      // The line is closed: whoever it led to is gone or going.
      sent();
    }
  };
  return (notice) => {
    if (fills(1)) lost = true;
    else send(notice);
  };
}

function isNotice(message: unknown): message is Notice {
  return typeof message === "object" && message !== null && "notice" in message;
}
