import type { Ports } from "../context.js";
import { type AppEvent, publishEvent, RECHECK, type Recheck } from "../domains/events/index.js";
import { type NotifyTarget, notifyTarget, SOCKET_NOTICES, type SocketNotice } from "../kernel/sockets.js";
import { type AppCache, appCache } from "./app-cache.js";
import { type Submitting, submitting } from "./submitting.js";

/** What an app's code may ask of the running server. */
export interface Control extends Submitting {
  /** Sends an object to the sockets that all of the target fits, on every node. Throws TypeError as `notifyTarget` does. */
  notify(target: NotifyTarget, message: object): void;
  /** Publishes to any topic; the server's own types are refused. Rejects with the DomainErrors of Publish. */
  publish(event: AppEvent): Promise<{ id: string }>;
  /** Has the rules of a topic, or of all, asked again for those who follow it, on every node. */
  recheck(topic?: string): void;
  /** A cache of the configuration. Throws when there is none of that name. */
  cache(name: string): AppCache;
}

/** What the app's own code may ask. */
export function controlOf(ports: Ports): Control {
  return {
    notify(target, message) {
      const notice: SocketNotice = { target: notifyTarget(target), message };
      ports.bus.publish(SOCKET_NOTICES, notice);
    },
    recheck: (topic) => ports.bus.publish(RECHECK, (topic === undefined ? {} : { topic }) satisfies Recheck),
    publish: async (event) => ({ id: (await publishEvent(ports, event)).id }),
    cache: (name) => appCache(ports.caches, name),
    ...submitting(ports.database, ports.jobs.submit),
  };
}
