import type { Declared, Hosted } from "../backend/backend.js";
import { readConfig } from "../config.js";
import type { Running } from "../main.js";
import { startDev } from "./dev.js";
import { tellError } from "./errors.js";
import { ONE_PROCESS, startServe } from "./serve.js";

/**
 * Starts a server for an app file that was run by itself. It is the program, so a signal ends it, and what keeps it from
 * starting does too, with the line and the exit code of the command line.
 */
export async function startAlone(declared: Declared): Promise<Hosted> {
  try {
    const { started, stop, ended } = await start({ ...declared, appFile: process.argv[1] });
    void ended.then((by) => by === "signal" && process.exit(0));
    return { control: started.control, stop };
  } catch (error) {
    process.exit(tellError(error));
  }
}

async function start(declared: Declared): Promise<Running> {
  const development = process.env.NODE_ENV !== "production";
  const config = readConfig({ flags: {}, env: process.env, cwd: process.cwd(), development });
  if (development) return startDev(config, { demo: true }, declared);
  if (config.workers > 1) console.error(`backstay: ${ONE_PROCESS}`);
  return startServe({ ...config, workers: 1 }, {}, declared);
}
