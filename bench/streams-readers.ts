import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./processes.js";

/** Where streams are opened: a whole request as text, or a call of HTTP/2 with its body in base64. */
export type StreamTarget =
  | { protocol: "http1"; port: number; request: string }
  | {
      protocol: "http2";
      port: number;
      path: string;
      headers: Record<string, string>;
      body: string;
      perSession: number;
    };

/** The request that makes an event; `~event~` in its body is where the time goes. */
export interface Saying {
  port: number;
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** Milliseconds. */
export interface Latencies {
  p50: number;
  p99: number;
  max: number;
}

/** A process that reads streams, in named groups. */
export interface Readers {
  open(name: string, target: StreamTarget, count: number): Promise<void>;
  /** Microseconds of the server's processor for each delivery, and milliseconds until an event has reached all. */
  tell(name: string, say: Saying, times: number, pid: number): Promise<{ cpuUs: number; msPerEvent: number }>;
  pace(name: string, say: Saying, times: number, everyMs: number): Promise<Latencies>;
  /** Reads nothing any more. */
  pause(name: string): Promise<void>;
  close(name: string): Promise<void>;
  stop(): void;
}

export function startReaders(): Readers {
  // Without the flags of ours: it is plain JavaScript, and a loader of TypeScript would slow it.
  const child: ChildProcess = fork(join(ROOT, "bench/streams-load.mjs"), [], { execArgv: [] });
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
  let orders = 0;
  child.on("message", ({ id, answer, error }: { id: number; answer: never; error?: string }) => {
    const { resolve, reject } = waiting.get(id)!;
    waiting.delete(id);
    if (error === undefined) resolve(answer);
    else reject(new Error(error));
  });
  child.once("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("the readers' process ended"));
  });
  const order = <Answer>(what: string, input: object) =>
    new Promise<Answer>((resolve, reject) => {
      if (!child.connected) return reject(new Error("the readers' process ended"));
      const id = orders++;
      waiting.set(id, { resolve, reject });
      child.send({ id, order: what, ...input });
    });
  return {
    open: (name, target, count) => order("open", { name, target, count }),
    tell: (name, say, times, pid) => order("tell", { name, say, times, pid }),
    pace: (name, say, times, everyMs) => order("pace", { name, say, times, everyMs }),
    pause: (name) => order("pause", { name }),
    close: (name) => order("close", { name }),
    stop() {
      if (child.connected) child.disconnect();
    },
  };
}
