import { fork } from "node:child_process";
import { type Child, type ChildEvents, type ChildOptions, OUT_OF_MEMORY } from "./child.js";
import { type FromChild, ours } from "./protocol.js";

/** A child that closed its line to us is gone, or soon will be. */
const GONE_AFTER_MS = 1_000;

/** Starts a child process. What it prints goes to our standard error: standard output is for what the server says. */
export function openProcess({ entry, memoryMb }: ChildOptions, { onMessage, onGone }: ChildEvents): Child {
  const process_ = fork(entry, [], {
    serialization: "advanced",
    stdio: ["ignore", 2, 2, "ipc"],
    execArgv: [...ownFlags(), `--max-old-space-size=${memoryMb}`],
  });
  let isGone = false;
  const gone = (how: string) => {
    if (isGone) return;
    isGone = true;
    onGone(how);
  };
  process_.on("message", (message) => {
    const told = ours<FromChild>(message);
    if (told !== undefined) onMessage(told);
  });
  process_.once("exit", (code, signal) => gone(howItEnded(code, signal)));
  // One that could not be started has no exit; one that is gone cannot be told anything.
  process_.on("error", (error) => process_.pid === undefined && gone(`did not start: ${error.message}`));
  process_.once("disconnect", () => setTimeout(() => !isGone && process_.kill("SIGKILL"), GONE_AFTER_MS).unref());
  return {
    pid: process_.pid,
    send: (message) => void (process_.connected && process_.send(message, () => {})),
    dismiss: () => process_.connected && process_.disconnect(),
    kill: () => process_.kill("SIGKILL"),
  };
}

/** The flags this process was started with, without those of a debugger: it has its port already. */
function ownFlags(): string[] {
  return process.execArgv.filter((flag) => !/^--(inspect|debug)/.test(flag));
}

function howItEnded(code: number | null, signal: NodeJS.Signals | null): string {
  // Node aborts when the heap is full.
  if (signal === "SIGABRT" || code === 134) return `was aborted, as one that ${OUT_OF_MEMORY}`;
  return signal ? `was ended by ${signal}` : `ended with the code ${code}`;
}
