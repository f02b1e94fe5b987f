import { constants, type Http2ServerResponse } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import { type Call, isGone, type Pipeline, type Response, ResponseOutlet, statusJson } from "./house.js";
import { writeHead } from "./response.js";
import type { StreamLayout } from "./stream-form.js";

/** The messages of a call and how they are written. */
export interface Streamed {
  readonly messages: ReturnType<Pipeline["stream"]>;
  readonly layout: StreamLayout;
}

/**
 * Writes a stream and closes its call. Rejects, with nothing written and the call still open, when there is an error before
 * the first message, so that the answer can be one.
 */
export async function sendStream(res: Response, call: Call, pipeline: Pipeline, streamed: Streamed): Promise<void> {
  const { messages, layout } = streamed;
  let count = 0;
  const outlet = new ResponseOutlet<Message>(res, (message) => {
    const piece = layout.message(message, count);
    if (count === 0) sendHead(res, call, layout, message);
    count += 1;
    return piece;
  });
  try {
    // A handler that does not heed its signal may never come to its end: it is not waited for.
    await call.within(messages.run(outlet));
    outlet.close();
    if (count === 0) sendHead(res, call, layout);
    pipeline.close(call);
    if (!isGone(res)) res.end(layout.end(count));
  } catch (error) {
    outlet.close();
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

function breakOff(res: Response): void {
  const { stream } = res as Http2ServerResponse;
  if (stream === undefined) res.destroy();
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}
