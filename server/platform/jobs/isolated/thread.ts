import { Worker } from "node:worker_threads";
import { type Child, type ChildEvents, type ChildOptions, OUT_OF_MEMORY } from "./child.js";
import { type FromChild, ours, wordsOf } from "./protocol.js";

/** Starts a worker thread. What it prints goes to our standard error: standard output is for what the server says. */
export function openThread({ entry, memoryMb }: ChildOptions, { onMessage, onGone }: ChildEvents): Child {
  const thread = new Worker(entry, {
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  });
  let failure: string | undefined;
  for (const output of [thread.stdout, thread.stderr]) output.on("data", (text) => process.stderr.write(text));
  thread.on("message", (message) => {
    const told = ours<FromChild>(message);
    if (told !== undefined) onMessage(told);
  });
  thread.once("error", (error) => {
    const { code } = error as NodeJS.ErrnoException;
    failure = code === "ERR_WORKER_OUT_OF_MEMORY" ? OUT_OF_MEMORY : `ended by an error: ${wordsOf(error)}`;
  });
  thread.once("exit", (code) => onGone(failure ?? `ended with the code ${code}`));
  return {
    pid: undefined,
    send: (message) => thread.postMessage(message),
    dismiss: () => void thread.terminate(),
    kill: () => void thread.terminate(),
  };
}
