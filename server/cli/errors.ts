import { CommanderError } from "commander";
import { ConfigError } from "../config.js";

/** Tells the person in one line, unless that was done, and answers the exit code. */
export function tellError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { message, code } = error as NodeJS.ErrnoException;
  if (code === "BACKSTAY_STOPPED") return 0;
  console.error(`backstay: ${message}`);
  if (error instanceof ConfigError) return 3;
  return code === "BACKSTAY_UNREACHABLE" ? 4 : 1;
}
