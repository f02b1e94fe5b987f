import type { OutgoingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { StreamForm } from "./accept.js";
import type { Binding } from "./bindings.js";
import type { EventId } from "./event-id.js";
import { encoder } from "./house.js";
import { bytesOf, contentTypeOf, NOSNIFF } from "./http-body.js";

/** How a stream of messages is laid out in a body. */
export interface StreamLayout {
  /** The type of a stream that begins with this message, or has none. */
  contentType(first: Message | undefined): string;
  /** What its answer carries besides the type. */
  readonly headers: OutgoingHttpHeaders;
  message(message: Message, index: number): string | Uint8Array;
  /** What ends a stream of `count` messages. */
  end(count: number): string;
  /** What ends a stream that failed; undefined when only breaking it off can tell. */
  error(status: string): string | undefined;
}

/** Tells what lies between to pass every message on at once, and to keep none. */
const LIVE: OutgoingHttpHeaders = { "cache-control": "no-store", "x-accel-buffering": "no" };

/** The layouts of messages in JSON, by their form. */
export function streamLayouts(
  json: (message: Message) => string,
  eventId: EventId,
): Readonly<Record<StreamForm, StreamLayout>> {
  const line = encoder((message: Message) => Buffer.from(`${json(message)}\n`));
  const event = encoder((message: Message) => {
    const id = eventId(message);
    return Buffer.from(`${id === undefined ? "" : `id: ${id}\n`}data: ${json(message)}\n\n`);
  });
  return {
    lines: {
      contentType: () => "application/x-ndjson",
      headers: LIVE,
      message: line,
      end: () => "",
      error: (status) => `{"error":${status}}\n`,
    },
    events: {
      contentType: () => "text/event-stream",
      headers: LIVE,
      message: event,
      end: () => "",
      error: (status) => `event: error\ndata: ${status}\n\n`,
    },
    array: {
      contentType: () => "application/json",
      headers: {},
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
    headers: NOSNIFF,
    message: (message) => body(message).data,
    end: () => "",
    error: () => undefined,
  };
}
