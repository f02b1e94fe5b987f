import type { ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import { type Call, type Pipeline, type Response, statusJson } from "./house.js";
import { isGone, writeHead } from "./response.js";
import type { StreamLayout } from "./stream-form.js";

/** The messages of a call and how they are written. */
export interface Streamed {
  readonly messages: AsyncIterable<Message>;
  readonly layout: StreamLayout;
}

/**
 * Writes a stream and closes its call. Rejects, with nothing written and the call still open, when there is an error before
 * the first message, so that the answer can be one.
 */
export async function sendStream(res: Response, call: Call, pipeline: Pipeline, streamed: Streamed): Promise<void> {
  const { layout } = streamed;
  const messages = streamed.messages[Symbol.asyncIterator]();
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await nextOf(messages, call.signal);
      if (done) break;
      const piece = layout.message(value, count);
      if (count === 0) sendHead(res, call, layout, value);
      count += 1;
      if (!(res as ServerResponse).write(piece)) await drained(res, call.signal);
    }
    if (count === 0) sendHead(res, call, layout);
    pipeline.close(call);
    if (!isGone(res)) res.end(layout.end(count));
  } catch (error) {
    // A handler that does not heed its signal may never come to its end: it is told, and not waited for.
    Promise.resolve(messages.return?.()).catch(() => {});
    if (!res.headersSent) throw error;
    const shown = pipeline.close(call, error);
    if (isGone(res)) return;
    const tail = shown && layout.error(JSON.stringify(statusJson(shown)));
    if (tail === undefined) breakOff(res);
    else res.end(tail);
  }
}

/** Sends the headers of a stream that begins with `first`; they leave with what is written next. */
export function sendHead(res: Response, call: Call, layout: StreamLayout, first?: Message): void {
  writeHead(res, 200, call, { "content-type": layout.contentType(first), ...layout.headers });
}

/** The next message, or the reason why the call has ended meanwhile. */
function nextOf<T>(messages: AsyncIterator<T>, signal: AbortSignal): Promise<IteratorResult<T>> {
  return untilAborted(signal, (resolve, reject) => {
    messages.next().then(resolve, reject);
    return () => {};
  });
}

function drained(res: Response, signal: AbortSignal): Promise<void> {
  return untilAborted(signal, (resolve) => {
    res.once("drain", resolve);
    return () => res.off("drain", resolve);
  });
}

/** Racing a promise that lives as long as the stream would keep every loser of the race. */
function untilAborted<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const settle = (finish: () => void) => {
      signal.removeEventListener("abort", onAbort);
      release();
      finish();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    const release = begin(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
  });
}

function breakOff(res: Response): void {
  const { stream } = res as Http2ServerResponse;
  if (stream === undefined) res.destroy();
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}
