import type { Message } from "@bufbuild/protobuf";
import type { SubscribeResponse } from "#gen/backstay/events/v1/events_pb.js";
import { DomainError } from "../../kernel/errors.js";
import { decodeCursor } from "../../kernel/event-cursor.js";
import type { InstanceKey } from "../../kernel/instance-key.js";
import { encodeOnce } from "../../kernel/share.js";
import type { Pushed } from "../../manifest.js";
import type { Call } from "../../rpc/call.js";
import type { Codec } from "../../rpc/codec.js";
import type { Pipeline } from "../../rpc/pipeline.js";
import { errorFrame, joined, opened } from "./frames.js";
import type { Line } from "./line.js";

/** A subscription that a socket has open. */
export interface Subscription {
  /** Where to resume after what was sent of it so far. */
  readonly cursor: string;
  /** Ends it without a word. */
  cancel(): void;
}

/** What writes a subscription's stream to its socket. */
export interface Stream {
  readonly call: Call;
  readonly id: string | undefined;
  readonly messages: Pushed<Message>;
}

/** The name of our form of a response, which sockets share. */
const FORM = Symbol("socket frame");

/**
 * Begins to write a stream as frames; fulfilled when the first one was written, and answered before it. Rejects, with nothing
 * written and the call still open, when there is an error before that.
 */
export function follow(line: Line, { call, id, messages }: Stream, pipeline: Pipeline, codec: Codec): Promise<void> {
  const named = id === undefined ? {} : { id };
  const head = opened({ op: "event", ...named });
  let cursor = "";
  const subscription: Subscription = {
    get cursor() {
      return cursor;
    },
    cancel: () => call.abort(new DomainError("CALL_CANCELED")),
  };
  line.subscriptions.set(id, subscription);
  const forget = line.onEnd(subscription.cancel);
  const leave = () => {
    forget();
    if (line.subscriptions.get(id) === subscription) line.subscriptions.delete(id);
  };

  const end = (error?: unknown) => {
    leave();
    const shown = pipeline.close(call, error);
    if (call.signal.aborted) return;
    const status = { op: "end", ...named };
    line.write(shown === undefined ? JSON.stringify({ ...status, status: 200 }) : errorFrame(status, shown));
  };

  return new Promise((resolve, reject) => {
    let begun = false;
    const begin = () => {
      begun = true;
      line.write(JSON.stringify({ op: "subscribe", ...named, status: 200 }));
      resolve();
    };
    const run = messages.run({
      write(message) {
        if (call.signal.aborted) return false;
        if (!begun) begin();
        const form = encodeOnce(message, FORM, () => codec.encode("json", call.method.output, message) as string);
        const hasRoom = line.write(joined(head, form));
        // What closed the socket instead was not sent.
        if (line.isOpen) cursor = cursorOf(message as SubscribeResponse) || cursor;
        return hasRoom;
      },
      onDrain(listener) {
        if (call.signal.aborted) setImmediate(listener);
        else line.onDrain(listener);
      },
    });
    run.then(
      () => {
        if (!begun) begin();
        end();
      },
      (error) => {
        // Whoever falls behind with one stream does so with the whole line.
        if (begun && isSlow(error)) line.fellBehind();
        if (begun) return end(error);
        leave();
        reject(error);
      },
    );
  });
}

/** The earliest of the cursors of a socket's subscriptions: resumed there, none of them misses anything. */
export function oldestCursor({ subscriptions }: Line, key: InstanceKey): string {
  const cursors = [...subscriptions.values()].map(({ cursor }) => cursor).filter((cursor) => cursor !== "");
  const [oldest = ""] = cursors.sort((one, other) => decodeCursor(key, one).offset - decodeCursor(key, other).offset);
  return oldest;
}

/** Where to resume after a response; empty when it does not say. */
function cursorOf({ item }: SubscribeResponse): string {
  if (item.case === "gap") return item.value.to;
  return item.case === undefined || item.case === "goodbye" ? "" : item.value.cursor;
}

function isSlow(error: unknown): boolean {
  return error instanceof DomainError && error.reason === "SLOW_READER";
}
