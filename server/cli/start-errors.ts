import { HomeTaken } from "../app.js";
import type { Config } from "../config.js";

/** Turns what kept a server from starting into one line that says what to do. */
export function explainStart(error: unknown, config: Config): never {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof HomeTaken) {
    const where = error.url === "" ? "it is still starting" : `it answers at ${error.url}`;
    throw new Error(`${config.home} is in use by process ${error.pid}: ${where}`);
  }
  if (code === "EADDRINUSE") throw new Error(`port ${config.port} is in use; choose another with --port`);
  if (code === "EACCES" && config.port < 1024)
    throw new Error(`port ${config.port} needs rights this user lacks; see --port`);
  if (code === "EADDRNOTAVAIL") throw new Error(`this machine has no address ${config.host}; see --host`);
  if (config["database.url"] !== "" && typeof code === "string" && /^(E[A-Z]+|CONN.*|28\w{3}|3D000)$/.test(code)) {
    throw new Error(
      `the database of DATABASE_URL cannot be used (${code}); is it running, and do name and password fit?`,
    );
  }
  throw error;
}

/** The same for several servers at once, whose home has no URL of its own. */
export function explainHome(error: unknown, home: string): unknown {
  return error instanceof HomeTaken ? new Error(`${home} is in use by process ${error.pid}`) : error;
}
