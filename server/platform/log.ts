import { existsSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { type DestinationStream, pino } from "pino";

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
  /** Which of the processes this is that log to the same place; each line says so. */
  worker?: number;
}

/** JSON lines, buffered for up to half a second below the level `warn`. Throws when the file cannot be opened. */
export function createLog(options: LogOptions): Log {
  const facts = options.worker === undefined ? {} : { worker: options.worker };
  const most = options.worker === undefined ? CHUNK : WHOLE;
  const lines = gather(options.file === undefined ? 2 : openFile(options.file), most, facts);
  const timer = setInterval(lines.pass, PASS_EVERY);
  timer.unref();
  return logTo(lines, options.level, facts);
}

const PASS_EVERY = 500;
const CHUNK = 32_768;
/** What a pipe takes as a whole: the lines of several processes do not mix when each writes no more at once. */
const WHOLE = 4_096;
const MOST_HELD = 1 << 20;

function openFile(file: string): number {
  try {
    // One folder, not all above it: where those are missing the name is rather mistyped.
    if (!existsSync(dirname(file))) mkdirSync(dirname(file));
    return openSync(file, "a", 0o600);
  } catch (error) {
    throw new Error(`log.file: ${file} cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

interface Lines extends DestinationStream {
  pass(): void;
}

/** Gathers lines and writes many at once. A disk that is full or gone costs log lines, never calls. */
function gather(fd: number, most: number, facts: object): Lines {
  let held = "";
  let lost = 0;
  // A disk that takes nothing is not asked again with every line.
  let stuck = false;
  const pass = () => {
    if (held === "") return;
    const loss = lost === 0 ? "" : `${JSON.stringify({ level: 40, ...facts, lost, msg: "log lines were lost" })}\n`;
    const bytes = Buffer.from(loss + held);
    let done = 0;
    lost = 0;
    try {
      while (done < bytes.length) done += writeSync(fd, bytes, done, wholeLines(bytes, done, most));
      held = "";
      stuck = false;
    } catch {
      stuck = true;
      // What was not taken is tried again with the next lines.
      held = bytes.toString("utf8", done);
      if (held.length <= MOST_HELD) return;
      lost += held.split("\n").length;
      held = "";
    }
  };
  return {
    write(line) {
      held += line;
      if (held.length >= (stuck ? MOST_HELD : CHUNK)) pass();
    },
    pass,
  };
}

/** How many bytes from `from` on are lines as a whole, about `most`, and at least one line. */
function wholeLines(bytes: Buffer, from: number, most: number): number {
  if (bytes.length - from <= most) return bytes.length - from;
  const last = bytes.lastIndexOf(10, from + most - 1);
  const end = last < from ? bytes.indexOf(10, from) : last;
  return end === -1 ? bytes.length - from : end + 1 - from;
}

function logTo(out: Lines, level: LogOptions["level"], facts: object): Log {
  const base = pino({ level, base: facts, timestamp: () => `,"time":"${new Date().toISOString()}"` }, out);
  const logsInfo = base.isLevelEnabled("info");
  return {
    debug: (facts, message) => base.debug(facts, message),
    info(told, message) {
      // Every call comes here once. The line is the one pino would write, at a third of what pino needs for it.
      if (!logsInfo) return;
      const line = { level: base.levels.values.info, time: new Date().toISOString(), ...facts, ...told, msg: message };
      out.write(`${JSON.stringify(line)}\n`);
    },
    warn(facts, message) {
      base.warn(facts, message);
      out.pass();
    },
    error(facts, message) {
      base.error(facts, message);
      out.pass();
    },
    flush: out.pass,
  };
}

/** What the log may know of an error. Drivers hang values of rows on theirs: only its name, text, code and stack go in. */
export function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { error: typeof error };
  const { name, message, stack } = error;
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { error: name, message, code: (error as { code?: string }).code, stack, ...cause };
}
