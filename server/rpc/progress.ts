import type { Request } from "./dispatcher.js";

/** How a request comes along that is read piece by piece. Times are `performance.now()`. */
export interface Progress {
  /** Since when its reader waits for the next piece; undefined while the reader is busy with the last one. */
  waitingSince: number | undefined;
}

const followed = new WeakMap<object, Progress>();

/** Says that a request is read as it comes: it may take as long as it likes, and is bounded from piece to piece. */
export function followProgress(req: Request): Progress {
  const progress: Progress = { waitingSince: undefined };
  followed.set("stream" in req ? req.stream : req, progress);
  return progress;
}

/** The progress of an HTTP/1.1 request or of an HTTP/2 stream; undefined when it is to be there as a whole. */
export function progressOf(request: object): Progress | undefined {
  return followed.get(request);
}
