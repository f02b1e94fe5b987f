import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { linkAbort, orAbort } from "./cancellation.js";
import { EventService, type SubscribeRequest, type SubscribeResponse } from "./gen/backstay/events/v1/events_pb.js";
import { requestHeaders } from "./request-headers.js";

/** What the server says on a subscription. */
export type SubscribeItem = SubscribeResponse["item"];

/** One connection of a subscription. */
export interface SubscribeStream {
  /** What the server says next; undefined when it ended the stream. Rejects when the connection breaks or is silent. */
  next(): Promise<SubscribeItem | undefined>;
  /** The token it stands by now. */
  readonly bearer: string | undefined;
  /** Ends the connection at once. */
  close(): void;
}

/** How to connect. */
export interface SubscribeStreamInit {
  request: Pick<SubscribeRequest, "topics" | "types" | "afterCursor" | "match" | "presence">;
  /** The app's own. */
  headers: Headers;
  bearer: string | undefined;
  /** Ends the connection; its reason becomes the rejection of `next()`. */
  signal: AbortSignal;
  /** How long the server may say nothing before the connection counts as broken, in milliseconds. */
  silenceMs: number;
}

/** Makes one connection of a subscription. The request goes out with the first `next()`. */
export type OpenSubscribeStream = (init: SubscribeStreamInit) => SubscribeStream;

/** Connects by a streamed answer to a request. */
export function openSubscribeStream(
  transport: Transport,
  { request, headers, bearer, signal, silenceMs }: SubscribeStreamInit,
): SubscribeStream {
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  let messages: AsyncIterator<SubscribeResponse> | undefined;

  async function read() {
    if (!messages) {
      const all = requestHeaders(headers, bearer);
      const method = EventService.method.subscribe;
      const response = await transport.stream(method, controller.signal, undefined, all, only(request));
      messages = response.message[Symbol.asyncIterator]();
    }
    const result = await messages.next();
    return result.done ? undefined : result.value.item;
  }

  return {
    bearer,
    next: () => heardWithin(silenceMs, read(), controller),
    close() {
      unlink();
      controller.abort();
    },
  };
}

/** What is awaited from a connection; when nothing comes for `silenceMs` milliseconds, the connection is aborted. */
export async function heardWithin<T>(silenceMs: number, awaited: Promise<T>, connection: AbortController): Promise<T> {
  const silent = () => connection.abort(new ConnectError(`nothing heard for ${silenceMs} ms`, Code.Unavailable));
  const timer = setTimeout(silent, silenceMs);
  try {
    return await orAbort(awaited, connection.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** The request of a stream, which has but one. */
export async function* only<T>(value: T): AsyncIterable<T> {
  yield value;
}
