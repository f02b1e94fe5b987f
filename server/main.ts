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

/** Configuration to app to signals: the life of a server process. */
export async function runServer(config: Config): Promise<Running> {
  const app = createApp(config);
  const ended = new Promise<void>((resolve) => {
    let asked = false;
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
  const started = await app.start();
  return { started, app, ended };
}
