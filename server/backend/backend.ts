import type { Control } from "../app.js";
import { declaredTopics } from "../kernel/declared-topics.js";
import { type SocketPaths, socketPaths } from "../kernel/sockets.js";
import type { Topics } from "../kernel/topics.js";
import type { Backend } from "./index.mjs";

/** A server that runs with an app's code. */
export interface Hosted {
  readonly control: Control;
  /** Ends it in order; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts a server with what an app has declared, or waits for the one that is started anyway. */
export type Host = (registry: Registry) => Promise<Hosted>;

/** The app of this process. */
export interface Registry {
  readonly app: Backend;
  readonly topics: Topics;
  readonly sockets: SocketPaths;
  /** Whether some code has asked for the app. */
  asked: boolean;
  /** Who starts the server: the command line, which is there before the app's code, or whoever asks first. */
  host: Host | undefined;
}

/** Two copies of this module, of the command line's package and the app's, agree by it. */
const KEY = Symbol.for("backstay.backend");

/** The app of this process, made when it is first asked for. */
export function theRegistry(): Registry {
  const everywhere = globalThis as { [KEY]?: Registry };
  everywhere[KEY] ??= createRegistry();
  return everywhere[KEY];
}

/** What an app's code gets. `alone` starts a server when nobody else does. */
export function theBackend(alone: Host): Backend {
  const registry = theRegistry();
  registry.asked = true;
  registry.host ??= alone;
  return registry.app;
}

function createRegistry(): Registry {
  const topics = declaredTopics();
  const sockets = socketPaths();
  let starting: Promise<void> | undefined;
  let hosted: Hosted | undefined;

  const running = (what: string): Hosted => {
    if (hosted === undefined) throw new Error(`app.${what}: no server runs; await app.start() first`);
    return hosted;
  };

  const app: Backend = {
    topic: (pattern, rules) => topics.declare(pattern, rules),
    ws: (path, handler) => sockets.declare(path, handler),
    start() {
      starting ??= registry.host!(registry).then((server) => {
        hosted = server;
      });
      return starting;
    },
    async stop() {
      await starting;
      const server = hosted;
      hosted = undefined;
      await server?.stop();
    },
    notify: (target, message) => running("notify").control.notify(target, message),
    publish: async (event) => running("publish").control.publish(event),
    recheck: (topic) => running("recheck").control.recheck(topic),
  };
  const registry: Registry = { app, topics, sockets, asked: false, host: undefined };
  return registry;
}
