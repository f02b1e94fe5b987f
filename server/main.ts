import { createApp, type Overrides, type Started } from "./app.js";
import type { Config } from "./config.js";

/** A started server: what it tells, and when it has ended. */
export interface Running<T = Started> {
  started: T;
  /** Ends it in order; may be called twice. */
  stop(): Promise<void>;
  /** Resolves once the server has ended: by a signal, or because `stop` was called. */
  ended: Promise<"signal" | "stop">;
}

/** What is started once, and can be stopped at any time. */
interface Startable<T> {
  start(): Promise<T>;
  stop(): Promise<void>;
}

const EXIT_BY_MS = 9_500;

/** Configuration to app to signals: the life of a server process. Throws BACKSTAY_STOPPED when a signal ends its start. */
export function runServer(config: Config, overrides: Overrides = {}): Promise<Running> {
  return runUntilSignal(createApp(config, overrides));
}

/** Starts a server, which a signal stops. Throws BACKSTAY_STOPPED when one ends its start. */
export async function runUntilSignal<T>(server: Startable<T>): Promise<Running<T>> {
  let stopping: Promise<void> | undefined;
  let asked = false;
  let finish = (_: "signal" | "stop") => {};
  const ended = new Promise<"signal" | "stop">((resolve) => {
    finish = resolve;
  });
  const stop = () => {
    stopping ??= stopInTime(server).then(() => finish(asked ? "signal" : "stop"));
    return stopping;
  };
  const end = () => {
    // Asked twice, somebody at a terminal is in a hurry.
    if (asked) process.exit(1);
    asked = true;
    void stop();
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  try {
    return { started: await server.start(), stop, ended };
  } catch (error) {
    if (!asked) throw error;
    await ended;
    throw Object.assign(new Error("stopped while it started", { cause: error }), { code: "BACKSTAY_STOPPED" });
  }
}

/** Whatever hangs, the process is gone in time; all that was acknowledged is in the database. */
function stopInTime(server: Startable<unknown>): Promise<void> {
  setTimeout(() => process.exit(1), EXIT_BY_MS).unref();
  return server.stop();
}
