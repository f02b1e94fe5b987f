import { notifyTarget } from "../kernel/sockets.js";
import type { Duty } from "../platform/jobs/isolated/duty.js";
import type { IsolatedOptions } from "../platform/jobs/isolated/pool.js";
import type { SubmitParts } from "../platform/jobs/submit.js";
import { answerCache, remoteCache } from "./app-cache.js";
import type { Control } from "./control.js";
import type { Submitting } from "./submitting.js";

/** What a job worker has the server do for it. */
interface Calls extends Pick<Control, "notify" | "publish" | "recheck" | "cache">, Pick<SubmitParts, "offer"> {}

/** Answers job workers by what the server's own process can do. */
export function answerCalls({ notify, publish, recheck, cache, offer }: Calls): IsolatedOptions["answer"] {
  const calls: Readonly<Record<string, (...values: never[]) => unknown>> = {
    notify,
    publish,
    recheck,
    offer,
    cache: answerCache(cache),
  };
  return async (name, values) => {
    if (!Object.hasOwn(calls, name)) throw new Error(`there is no call ${name}`);
    return calls[name]!(...(values as never[]));
  };
}

/** What a job worker does by itself, and what it has the server do. */
export function controlBy(call: Duty["call"], own: Submitting): Control {
  return {
    ...own,
    notify(target, message) {
      // Of the moment, as it is in the server: who is not reached is not told. What is wrong with the target is found here.
      void call("notify", notifyTarget(target), asJson(message)).catch(() => {});
    },
    publish: async (event) => (await call("publish", asJson(event))) as { id: string },
    recheck: (topic) => void call("recheck", topic).catch(() => {}),
    cache: (name) => remoteCache(name, call),
  };
}

/** As JSON makes it: what has methods cannot be sent as it is. */
function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}
