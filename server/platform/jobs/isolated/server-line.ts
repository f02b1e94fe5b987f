import { parentPort } from "node:worker_threads";
import type { ServerLine } from "./duty.js";
import { type FromChild, ours, type ToChild, wordsOf } from "./protocol.js";

/** How often a process says how large it is, where the server cannot look for itself. */
const TELL_SIZE_MS = 200;

/** The line of this process, or thread, to the server that started it. `onClosed` is called when the server is gone. */
export function openServerLine(onClosed: () => void): ServerLine {
  const hear = (listener: (message: ToChild) => void) => (message: unknown) => {
    const told = ours<ToChild>(message);
    if (told !== undefined) listener(told);
  };
  if (parentPort !== null) {
    const port = parentPort;
    return {
      send: (message) => port.postMessage(message),
      onMessage: (listener) => void port.on("message", hear(listener)),
    };
  }
  process.once("disconnect", onClosed);
  if (!process.connected) onClosed();
  const send = (message: FromChild) => void (process.connected && process.send?.(message, () => {}));
  // A thread's error is told without this.
  process.on("uncaughtExceptionMonitor", (error) => send({ backstay: "failed", message: wordsOf(error) }));
  if (process.platform !== "linux") {
    setInterval(() => send({ backstay: "size", bytes: process.memoryUsage.rss() }), TELL_SIZE_MS).unref();
  }
  return {
    send,
    onMessage: (listener) => void process.on("message", hear(listener)),
  };
}
