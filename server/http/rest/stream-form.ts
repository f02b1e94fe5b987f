import type { Message } from "@bufbuild/protobuf";
import type { StreamForm } from "./accept.js";
import type { Binding } from "./bindings.js";
import type { EventId } from "./event-id.js";
import { bytesOf, contentTypeOf } from "./http-body.js";

/** How a stream of messages is laid out in a body. */
export interface StreamLayout {
  /** The type of a stream that begins with this message, or has none. */
  contentType(first: Message | undefined): string;
  /** Whether what lies between must pass every message on at once and keep none. */
  readonly live: boolean;
  message(message: Message, index: number): string | Uint8Array;
  /** What ends a stream of `count` messages. */
  end(count: number): string;
  /** What ends a stream that failed; undefined when only breaking it off can tell. */
  error(status: string): string | undefined;
}

/** The layouts of messages in JSON, by their form. */
export function streamLayouts(
  json: (message: Message) => string,
  eventId: EventId,
): Readonly<Record<StreamForm, StreamLayout>> {
  return {
    lines: {
      contentType: () => "application/x-ndjson",
      live: true,
      message: (message) => `${json(message)}\n`,
      end: () => "",
      error: (status) => `{"error":${status}}\n`,
    },
    events: {
      contentType: () => "text/event-stream",
      live: true,
      message(message) {
        const id = eventId(message);
        return `${id === undefined ? "" : `id: ${id}\n`}data: ${json(message)}\n\n`;
      },
      end: () => "",
      error: (status) => `event: error\ndata: ${status}\n\n`,
    },
    array: {
      contentType: () => "application/json",
      live: false,
      message: (message, index) => `${index === 0 ? "[" : ","}${json(message)}`,
      end: (count) => (count === 0 ? "[]" : "]"),
      error: () => undefined,
    },
  };
}

/** The layout of a download: bytes one after the other, of the type that the first message names. */
export function bytesLayout({ method, givesBytes }: Binding): StreamLayout | undefined {
  if (givesBytes === undefined) return undefined;
  const body = (message: Message) => bytesOf(method.output, message, givesBytes);
  return {
    contentType: (first) => contentTypeOf(first === undefined ? { contentType: "" } : body(first)),
    live: false,
    message: (message) => body(message).data,
    end: () => "",
    error: () => undefined,
  };
}
