import { DomainError } from "../../kernel/errors.js";
import { describeError, type Log } from "../log.js";

/** Says once that something does not work, and again only after it has worked. */
export interface Trouble {
  met(error: unknown): void;
  over(): void;
}

/** `message` is what the log says. A database that is away is others' to tell of. */
export function trouble(log: Log, message: string): Trouble {
  let said = false;
  return {
    met(error) {
      if (said) return;
      said = true;
      const isAway = error instanceof DomainError && error.reason === "DATABASE_UNAVAILABLE";
      log[isAway ? "info" : "error"](describeError(error), message);
    },
    over() {
      said = false;
    },
  };
}
