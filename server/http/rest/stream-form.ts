import type { Message } from "@bufbuild/protobuf";
import type { StreamForm } from "./accept.js";
import type { EventId } from "./event-id.js";

/** How a stream of messages is laid out in a body. */
export interface StreamLayout {
  readonly contentType: string;
  /** Whether what lies between must pass every message on at once and keep none. */
  readonly live: boolean;
  message(json: string, message: Message, index: number): string;
  /** What ends a stream of `count` messages. */
  end(count: number): string;
  /** What ends a stream that failed; undefined when only breaking it off can tell. */
  error(status: string): string | undefined;
}

/** The layouts by their form. */
export function streamLayouts(eventId: EventId): Readonly<Record<StreamForm, StreamLayout>> {
  return {
    lines: {
      contentType: "application/x-ndjson",
      live: true,
      message: (json) => `${json}\n`,
      end: () => "",
      error: (status) => `{"error":${status}}\n`,
    },
    events: {
      contentType: "text/event-stream",
      live: true,
      message(json, message) {
        const id = eventId(message);
        return id === undefined ? `data: ${json}\n\n` : `id: ${id}\ndata: ${json}\n\n`;
      },
      end: () => "",
      error: (status) => `event: error\ndata: ${status}\n\n`,
    },
    array: {
      contentType: "application/json",
      live: false,
      message: (json, _, index) => (index === 0 ? `[${json}` : `,${json}`),
      end: (count) => (count === 0 ? "[]" : "]"),
      error: () => undefined,
    },
  };
}
