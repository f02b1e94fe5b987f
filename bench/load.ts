import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./processes.js";

/** Where a slice goes and what it asks. */
export interface Target {
  readonly protocol: "http1" | "grpc";
  readonly port: number;
  /** The process whose processor time is counted. */
  readonly pid: number;
  /** A PostgreSQL server whose time is counted beside it. */
  readonly databasePid?: number;
  readonly inFlight: number;
  /** Whole requests as text, or calls of gRPC; asked in turn. */
  readonly requests: readonly unknown[];
  /** Asks each of them once instead, for calls that are another thing when they are repeated. */
  readonly once?: boolean;
}

/** What one slice saw. Times in milliseconds, processor time in microseconds a request. */
export interface Slice {
  requests: number;
  cpuUs: number;
  databaseCpuUs?: number;
  /** Processors the server kept busy, and the callers. */
  busy: number;
  callersBusy: number;
  rps: number;
  p50: number;
  p99: number;
}

/** The process that calls; it is told one slice at a time. */
export interface Load {
  run(target: Target, ms: number): Promise<Slice>;
  /** Ends it, also in the middle of a slice; may be called twice. */
  stop(): void;
}

export function startLoad(): Load {
  // Without the flags of ours: it is plain JavaScript, and a loader of TypeScript would slow it.
  const child: ChildProcess = fork(join(ROOT, "bench/load.mjs"), [], { execArgv: [] });
  return {
    run: (target, ms) =>
      new Promise((resolve, reject) => {
        const ended = () => reject(new Error("the load process ended"));
        if (!child.connected) return ended();
        child.once("exit", ended);
        child.once("message", (answer: Slice | { error: string }) => {
          child.off("exit", ended);
          if ("error" in answer) reject(new Error(answer.error));
          else resolve(answer);
        });
        child.send({ ...target, ms });
      }),
    stop() {
      if (child.connected) child.disconnect();
    },
  };
}
