import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { linkAbort, orAbort } from "./cancellation.js";
import { EventService, type SubscribeRequest, type SubscribeResponse } from "./gen/backstay/events/v1/events_pb.js";

/** One connection of a subscription. */
export interface SubscribeStream {
  /** What the server says next; undefined when it ended the stream. Rejects when the connection breaks or is silent. */
  next(): Promise<SubscribeResponse["item"] | undefined>;
  /** Ends the connection at once. */
  close(): void;
}

/** How to connect. */
export interface SubscribeStreamInit {
  request: Pick<SubscribeRequest, "topics" | "types" | "afterCursor">;
  headers: Headers;
  /** Ends the connection. */
  signal: AbortSignal;
  /** How long the server may say nothing before the connection counts as broken, in milliseconds. */
  silenceMs: number;
}

/** Connects. The request goes out with the first `next()`. */
export function openSubscribeStream(
  transport: Transport,
  { request, headers, signal, silenceMs }: SubscribeStreamInit,
): SubscribeStream {
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  let messages: AsyncIterator<SubscribeResponse> | undefined;

  async function read() {
    if (!messages) {
      const input = only(request);
      const method = EventService.method.subscribe;
      const response = await transport.stream(method, controller.signal, undefined, headers, input);
      messages = response.message[Symbol.asyncIterator]();
    }
    const result = await messages.next();
    return result.done ? undefined : result.value.item;
  }

  return {
    async next() {
      const silent = () => controller.abort(new ConnectError(`nothing heard for ${silenceMs} ms`, Code.Unavailable));
      const timer = setTimeout(silent, silenceMs);
      try {
        return await orAbort(read(), controller.signal);
      } finally {
        clearTimeout(timer);
      }
    },
    close() {
      unlink();
      controller.abort();
    },
  };
}

async function* only<T>(value: T): AsyncIterable<T> {
  yield value;
}
