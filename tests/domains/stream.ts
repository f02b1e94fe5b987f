import { onTestFinished } from "vitest";
import type { TestBackstay } from "../support/backstay.js";
import { bearer, type Refused, refusedJson, within } from "./support.js";

/** An event in its JSON form. */
export interface EventJson {
  id: string;
  cursor: string;
  type: string;
  path: string;
  time: string;
  actorId: string;
  topic: string;
  data: Record<string, unknown>;
}

/** What a stream says, in its JSON form; `end` comes last, with the refusal if it ended by one. */
export interface Item {
  ready?: { cursor: string };
  event?: EventJson;
  heartbeat?: { cursor: string };
  gap?: { from: string; to: string };
  goodbye?: { reconnectAfterMs: number };
  end?: { refused?: Refused };
}

/** One connection of Subscribe, read as it comes: nothing is hidden, and nothing is resumed. */
export interface Stream {
  /** What it says next, within `ms`. */
  next(ms?: number): Promise<Item>;
  /** The next event; heartbeats before it are passed over. */
  event(ms?: number): Promise<EventJson>;
  /** Its goodbye; heartbeats before it are passed over. */
  goodbye(ms: number): Promise<NonNullable<Item["goodbye"]>>;
  /** How it ended, within `ms`; what comes before is passed over. */
  end(ms: number): Promise<NonNullable<Item["end"]>>;
  close(): Promise<void>;
}

/** Subscribes by a Connect stream. The connection is closed when the test has finished. */
export async function openStream(
  backstay: TestBackstay,
  token: string | undefined,
  request: {
    topics?: string[];
    types?: string[];
    afterCursor?: string;
    match?: string;
    presence?: object | undefined;
  } = {},
  headers: Record<string, string> = {},
): Promise<Stream> {
  const controller = new AbortController();
  const json = Buffer.from(JSON.stringify(request));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(json.length, 1);
  const response = await fetch(`${backstay.url}/backstay.events.v1.EventService/Subscribe`, {
    method: "POST",
    headers: { "content-type": "application/connect+json", ...bearer(token), ...headers },
    body: Buffer.concat([head, json]),
    signal: controller.signal,
  });
  if (response.status !== 200 || response.body === null) throw new Error(`Subscribe answered ${response.status}`);
  const items = readItems(response.body);
  const close = async () => {
    controller.abort();
    await items.return(undefined).catch(() => {});
  };
  onTestFinished(close);

  const next = async (ms = 5_000): Promise<Item> => {
    const { value, done } = await within(ms, items.next(), "the stream says something");
    if (done) throw new Error("the stream broke off");
    return value;
  };
  const nextOf = async <Kind extends keyof Item>(kind: Kind, ms: number): Promise<NonNullable<Item[Kind]>> => {
    for (;;) {
      const item = await next(ms);
      const wanted = item[kind];
      if (wanted !== undefined) return wanted;
      if (item.heartbeat === undefined) throw new Error(`instead of ${kind} came ${JSON.stringify(item)}`);
    }
  };
  return {
    next,
    close,
    event: (ms = 5_000) => nextOf("event", ms),
    goodbye: (ms) => within(ms, nextOf("goodbye", ms), "the stream says goodbye"),
    async end(ms) {
      const last = async () => {
        for (;;) {
          const { end } = await next(ms);
          if (end !== undefined) return end;
        }
      };
      return within(ms, last(), "the stream ends");
    },
  };
}

/** Subscribes, and hands out the stream once it stands. */
export async function standingStream(...args: Parameters<typeof openStream>): Promise<Stream & { cursor: string }> {
  const stream = await openStream(...args);
  const { ready } = await stream.next();
  if (ready === undefined) throw new Error("the first message of a stream is ready");
  return { ...stream, cursor: ready.cursor };
}

async function* readItems(body: AsyncIterable<Uint8Array>): AsyncGenerator<Item, undefined, undefined> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of body) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const length = bytes.readUInt32BE(1);
      const json = JSON.parse(bytes.toString("utf8", 5, 5 + length));
      const isEnd = bytes[0] === 2;
      bytes = bytes.subarray(5 + length);
      yield isEnd ? { end: json.error === undefined ? {} : { refused: refusedJson(json.error) } } : json;
    }
  }
}
