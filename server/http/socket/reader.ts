import type { RawData } from "ws";
import { BINARY, FRAMES_PER_SECOND, TOO_MANY_FRAMES, WAITING_BYTES, WAITING_FRAMES } from "./limits.js";
import type { Line } from "./line.js";

/**
 * Reads a socket: its frames are answered in their order, one at a time, and no faster than their sender takes the answers.
 * `answer` never rejects.
 */
export function readFrames(line: Line, answer: (text: string) => Promise<void>): void {
  const { ws } = line;
  const waiting: string[] = [];
  let waitingBytes = 0;
  let isAnswering = false;
  const isTooFrequent = rate();

  const answerAll = async () => {
    isAnswering = true;
    for (let text = waiting.shift(); text !== undefined && line.isOpen; text = waiting.shift()) {
      waitingBytes -= text.length;
      if (!line.hasRoom) await new Promise<void>((resolve) => line.onDrain(resolve));
      // It may have been closed meanwhile, and its caller be nobody any more.
      if (!line.isOpen) break;
      await answer(text);
      if (ws.isPaused && waiting.length < WAITING_FRAMES / 2) ws.resume();
    }
    isAnswering = false;
  };

  const count = () => {
    line.isAlive = true;
    if (isTooFrequent()) line.close(TOO_MANY_FRAMES, "TOO_MANY_FRAMES");
  };

  ws.on("message", (data: RawData, isBinary: boolean) => {
    if (!line.isOpen) return;
    count();
    if (isBinary) return line.close(BINARY, "MALFORMED_FRAME");
    // With the type of data that is set, which is the usual one, it is a buffer.
    const text = (data as Buffer).toString("utf8");
    waiting.push(text);
    waitingBytes += text.length;
    if (waiting.length >= WAITING_FRAMES || waitingBytes >= WAITING_BYTES) ws.pause();
    if (!isAnswering) void answerAll();
  });
  // What is not read cannot say goodbye.
  line.onEnd(() => ws.resume());
  ws.on("ping", count);
  ws.on("pong", count);
  // What breaks the protocol is answered by the library, with the code for it.
  ws.on("error", () => {});
}

/** Counts; answers whether there were too many within a second. */
function rate(): () => boolean {
  let since = 0;
  let count = 0;
  return () => {
    const now = performance.now();
    if (now - since >= 1_000) {
      since = now;
      count = 0;
    }
    count += 1;
    return count > FRAMES_PER_SECOND;
  };
}
