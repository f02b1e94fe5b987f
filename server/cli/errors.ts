import { CommanderError } from "commander";
import { ConfigError } from "../config.js";
import { visible } from "./visible.js";

/** The exit code by the code of an error; others are 1. Those in lower case are what a server says. */
const EXIT_CODES: Readonly<Record<string, number>> = {
  BACKSTAY_STOPPED: 0,
  BACKSTAY_AMBIGUOUS: 2,
  BACKSTAY_UNREACHABLE: 4,
  not_found: 5,
  permission_denied: 6,
  unauthenticated: 6,
  already_exists: 7,
  BACKSTAY_CHECK_FAILED: 8,
};

/** Tells the person in one line, unless that was done, and answers the exit code. */
export function tellError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { message, code = "" } = error as NodeJS.ErrnoException;
  if (code !== "BACKSTAY_STOPPED") console.error(`backstay: ${visible(message)}`);
  if (error instanceof ConfigError) return 3;
  return EXIT_CODES[code] ?? 1;
}
