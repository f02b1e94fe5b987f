import { type DestinationStream, destination, pino } from "pino";

/** Structured log lines. Never give it a secret, a token or a whole request. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  /** Writes what is buffered. */
  flush(): void;
}

export interface LogOptions {
  level: "debug" | "info" | "warn" | "error" | "silent";
  /** A file to append to; standard error when absent. */
  file?: string;
}

/** JSON lines, buffered for up to half a second below the level `warn`. */
export function createLog(options: LogOptions): Log {
  const out = destination({ dest: options.file ?? 2, append: true, mkdir: true, sync: false, minLength: 8192 });
  const timer = setInterval(() => out.flush(), 500);
  timer.unref();
  return logTo(out, options.level, () => {
    try {
      out.flushSync();
    } catch {
      // The destination was not open yet: there is nothing to lose.
    }
  });
}

function logTo(out: DestinationStream, level: LogOptions["level"], flush: () => void): Log {
  const base = pino({ level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }, out);
  return {
    debug: (facts, message) => base.debug(facts, message),
    info: (facts, message) => base.info(facts, message),
    warn(facts, message) {
      base.warn(facts, message);
      flush();
    },
    error(facts, message) {
      base.error(facts, message);
      flush();
    },
    flush,
  };
}

/** What the log may know of an error. Drivers hang values of rows on theirs: only its name, text, code and stack go in. */
export function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { error: typeof error };
  const { name, message, stack } = error;
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { error: name, message, code: (error as { code?: string }).code, stack, ...cause };
}
