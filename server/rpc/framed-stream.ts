import type { ServerResponse } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { Call } from "./call.js";
import type { Response } from "./dispatcher.js";
import { Refusal } from "./framed-input.js";
import type { Input, Pipeline } from "./pipeline.js";
import { isGone, ResponseOutlet } from "./response-outlet.js";
import type { StreamFrames } from "./stream-frames.js";

/** Answers a call by a stream of messages, and closes it: a refusal, too, is the end of a stream. */
export async function answerStream(
  res: Response,
  call: Call,
  pipeline: Pipeline,
  frames: StreamFrames,
  input: Input | Refusal,
): Promise<void> {
  const outlet = new ResponseOutlet<Message>(res, (message) => {
    const piece = frames.message(message);
    begin(res, call, frames);
    return piece;
  });
  let failure: { error: unknown } | undefined;
  try {
    if (input instanceof Refusal) throw input.error;
    // A handler that does not heed its signal may never come to its end: it is not waited for.
    await call.within(pipeline.stream(call, input).run(outlet));
  } catch (error) {
    failure = { error };
  }
  if (!isGone(res)) await call.within(outlet.handedOver()).catch(() => {});
  outlet.close();
  const shown = pipeline.close(call, failure?.error);
  const last = await frames.end(shown);
  if (isGone(res)) return;
  begin(res, call, frames);
  const trailers = frames.trailers(shown);
  if (trailers !== undefined) res.addTrailers(trailers);
  (res as ServerResponse).end(last);
}

function begin(res: Response, call: Call, frames: StreamFrames): void {
  if (res.headersSent) return;
  setCallHeaders(res, call);
  (res as ServerResponse).writeHead(200, frames.headers);
}

/** Sets what an answer tells of its call, which is known when the verb has begun to answer. */
export function setCallHeaders(res: Response, call: Call): void {
  if (call.cookies.length > 0) res.setHeader("set-cookie", call.cookies);
  if (call.isPrivate) res.setHeader("cache-control", "no-store");
}
