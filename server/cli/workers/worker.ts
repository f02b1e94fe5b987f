import { createApp, type WorkerPart } from "../../app.js";
import type { Config } from "../../config.js";
import { loadAppCode } from "../app-code.js";
import { type FromWorker, ours, type ToWorker } from "./protocol.js";

/** Before the parent's own time is up. */
const EXIT_BY_MS = 9_000;

/**
 * One of the processes that serve a port together. Its parent tells it what to do; when that is gone, node ends this process.
 * Never returns.
 */
export async function runWorker(config: Config): Promise<void> {
  // The terminal and the system tell every process of a group: the parent decides, and tells us.
  process.on("SIGINT", () => {});
  let stop = (): void => process.exit(0);
  process.on("SIGTERM", () => stop());
  process.on("message", (message) => {
    if (ours<ToWorker>(message)?.backstay === "stop") stop();
  });
  // Its line goes to standard error as ever; the parent repeats it when it gives up.
  process.on("uncaughtExceptionMonitor", (error) => tell(failure(error)));
  const part = await askForPart();
  try {
    const code = await loadAppCode(process.cwd());
    const app = createApp(config, { ...code?.declared, worker: part });
    let stopping = false;
    stop = () => {
      if (stopping) return;
      stopping = true;
      setTimeout(() => process.exit(1), EXIT_BY_MS).unref();
      void app.stop().then(() => process.exit(0));
    };
    code?.failed.catch(fail);
    const { control, ...started } = await app.start();
    tell({ backstay: "ready", started });
    code?.attach({ control, stop: endAll });
  } catch (error) {
    fail(error);
  }
  await new Promise(() => {});
}

function askForPart(): Promise<WorkerPart> {
  return new Promise((resolve) => {
    const take = (message: unknown) => {
      const told = ours<ToWorker>(message);
      if (told?.backstay !== "part") return;
      process.off("message", take);
      resolve(told.part);
    };
    process.on("message", take);
    tell({ backstay: "hello" });
  });
}

/** The parent ends every process, this one too. */
function endAll(): Promise<void> {
  tell({ backstay: "end" });
  return new Promise(() => {});
}

function fail(error: unknown): void {
  process.send?.(failure(error), () => process.exit(1));
}

function failure(error: unknown): FromWorker {
  const { message = String(error), code } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  return { backstay: "failed", message, code };
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
