import { type App, createApp, type Started } from "./app.js";
import type { Config } from "./config.js";

/** A started server: what it tells, and when it has ended. */
export interface Running {
  started: Started;
  app: App;
  /** Resolves once a signal has ended the server. */
  ended: Promise<void>;
}

const EXIT_BY_MS = 9_500;

/** Configuration to app to signals: the life of a server process. Throws BACKSTAY_STOPPED when a signal ends its start. */
export async function runServer(config: Config): Promise<Running> {
  const app = createApp(config);
  let asked = false;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      // Asked twice, somebody at a terminal is in a hurry.
      if (asked) process.exit(1);
      asked = true;
      // Whatever hangs, the process is gone in time; all that was acknowledged is in the database.
      setTimeout(() => process.exit(1), EXIT_BY_MS).unref();
      void app.stop().then(resolve);
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
  });
  try {
    return { started: await app.start(), app, ended };
  } catch (error) {
    if (!asked) throw error;
    await ended;
    throw Object.assign(new Error("stopped while it started", { cause: error }), { code: "BACKSTAY_STOPPED" });
  }
}
