import type { Started, WorkerPart } from "../../app.js";

/** What a worker tells its parent. Messages of others travel the same way, so ours are marked. */
export type FromWorker =
  /** It is there, and asks for its part. */
  | { backstay: "hello" }
  | { backstay: "ready"; started: Omit<Started, "control"> }
  /** It cannot start, or ends by an error. */
  | { backstay: "failed"; message: string; code?: string | undefined }
  /** The app's code wants the whole server to end. */
  | { backstay: "end" };

/** What a parent tells a worker. */
export type ToWorker =
  | { backstay: "part"; part: WorkerPart }
  /** End in order. */
  | { backstay: "stop" };

/** A marked message, or undefined when it is somebody else's. */
export function ours<T extends FromWorker | ToWorker>(message: unknown): T | undefined {
  const marked = typeof message === "object" && message !== null && "backstay" in message;
  return marked ? (message as T) : undefined;
}
