import { create, fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { BackstayError, errorFromStatus, toBackstayError } from "./backstay-error.js";
import { linkAbort } from "./cancellation.js";
import { GoodbyeSchema, SubscribeRequestSchema, SubscribeResponseSchema } from "./gen/backstay/events/v1/events_pb.js";
import {
  type Frame,
  isRefusal,
  openSocketLine,
  SERVER_STOPS,
  type SocketLine,
  type SocketParts,
} from "./socket-line.js";
import { heardWithin, type SubscribeItem, type SubscribeStream, type SubscribeStreamInit } from "./subscribe-stream.js";

// A socket cannot be told to wait. Who falls this far behind leaves it, and resumes when all of that is worked off.
const MOST_WAITING = 1_000;
const ID = "events";

/** Connects by a WebSocket. The app's own headers cannot be sent by one. */
export function openSubscribeSocket(
  parts: SocketParts,
  url: string,
  { request, bearer, signal, silenceMs }: SubscribeStreamInit,
): SubscribeStream {
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  const waiting: SubscribeItem[] = [];
  let line: SocketLine | undefined;
  let over: { error?: BackstayError } | undefined;
  let wake = () => {};

  function end(error?: BackstayError) {
    over ??= error ? { error } : {};
    line?.close();
    wake();
  }
  function push(item: SubscribeItem) {
    waiting.push(item);
    if (waiting.length > MOST_WAITING) end(new BackstayError("too much waits to be read", SLOW_READER));
    wake();
  }
  function hear(frame: Frame) {
    if (frame.id !== ID) return;
    if (isRefusal(frame)) return end(errorFromStatus(frame));
    if (frame.op === "end") return end();
    if (frame.op !== "event") return;
    try {
      push(fromJson(SubscribeResponseSchema, frame as JsonObject, { ignoreUnknownFields: true }).item);
    } catch (thrown) {
      end(toBackstayError(thrown));
    }
  }
  const sayWhat = () => {
    const wanted = toJson(SubscribeRequestSchema, create(SubscribeRequestSchema, request)) as JsonObject;
    return JSON.stringify({ ...wanted, op: "subscribe", id: ID });
  };
  function open(): SocketLine {
    const opened = openSocketLine(parts, {
      url,
      bearer,
      onOpen: () => opened.send(sayWhat()),
      onFrame: hear,
      onEnd(error) {
        // The server asks for nothing but to come again.
        if (error.reason === SERVER_STOPS) push({ case: "goodbye", value: create(GoodbyeSchema) });
        else end(error);
      },
    });
    return opened;
  }
  async function read(): Promise<SubscribeItem | undefined> {
    line ??= open();
    for (;;) {
      const item = waiting.shift();
      if (item) return item;
      if (over?.error) throw over.error;
      if (over) return undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    get bearer() {
      return line ? line.bearer : bearer;
    },
    next: () => heardWithin(silenceMs, read(), controller),
    close() {
      unlink();
      controller.abort();
      end();
    },
  };
}

const SLOW_READER = { code: "resource_exhausted", reason: "SLOW_READER" } as const;
