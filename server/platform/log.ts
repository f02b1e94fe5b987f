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
  const out = destination({ dest: options.file ?? 2, append: true, mkdir: true, sync: false });
  const lines = gather(out);
  const timer = setInterval(() => lines.pass(), 500);
  timer.unref();
  return logTo(lines, options.level, () => {
    try {
      lines.pass();
      out.flushSync();
    } catch {
      // The destination was not open yet: there is nothing to lose.
    }
  });
}

const CHUNK = 32_768;

/** Gathers lines: pino's destination measures all that it holds with every write, so it gets few and long ones. */
function gather(out: DestinationStream): DestinationStream & { pass(): void } {
  let held = "";
  const pass = () => {
    if (held === "") return;
    out.write(held);
    held = "";
  };
  return {
    write(line) {
      held += line;
      if (held.length >= CHUNK) pass();
    },
    pass,
  };
}

function logTo(out: DestinationStream, level: LogOptions["level"], flush: () => void): Log {
  const base = pino({ level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }, out);
  const logsInfo = base.isLevelEnabled("info");
  return {
    debug: (facts, message) => base.debug(facts, message),
    info(facts, message) {
      // Every call comes here once. The line is the one pino would write, at a third of what pino needs for it.
      if (!logsInfo) return;
      const line = { level: base.levels.values.info, time: new Date().toISOString(), ...facts, msg: message };
      out.write(`${JSON.stringify(line)}\n`);
    },
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
