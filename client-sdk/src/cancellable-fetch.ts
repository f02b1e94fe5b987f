import { BackstayError } from "./backstay-error.js";

/** The reason of the error when a streamed answer cannot be read as it comes, as on phones. */
export const STREAMS_UNREADABLE = "STREAMS_UNREADABLE";

/**
 * A fetch whose streams end when their signal fires. Node's fetch forgets the signal of a response that is being read once
 * the garbage collector has run; cancelling the body it does not forget.
 */
export function cancellableFetch(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const signal = init?.signal;
    const type = response.headers.get("content-type") ?? "";
    if (!signal || !type.startsWith("application/connect+")) return response;
    if (!response.body) throw unreadable();
    return new Response(readUntil(response.body, signal), response);
  };
}

function readUntil(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  const stop = () => signal.removeEventListener("abort", onAbort);
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        signal.throwIfAborted();
        if (!done) return controller.enqueue(value);
        stop();
        controller.close();
      } catch (error) {
        stop();
        controller.error(error);
      }
    },
    cancel(reason) {
      stop();
      return reader.cancel(reason);
    },
  });
}

function unreadable(): BackstayError {
  return new BackstayError("fetch brings no body that can be read as it comes", {
    code: "unimplemented",
    reason: STREAMS_UNREADABLE,
  });
}
