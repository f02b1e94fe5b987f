/** What a stream of events has brought so far, read off the wire without any client's help. */
export interface Follower {
  /** Resolves when the stream stands; rejects when it is refused. */
  readonly ready: Promise<void>;
  readonly events: { id: string; cursor: string; messageId: string; text: string }[];
  /** Where to resume: after the last thing the stream said. */
  readonly cursor: string;
  /** How the stream ended: what the server said last, or `broken` when it could say nothing more. */
  readonly ended: Promise<"goodbye" | "broken" | "stopped" | { error: string }>;
  /** Resolves when that many events are there; rejects when they do not come in time, or the stream ends without them. */
  reaches(count: number, ms?: number): Promise<void>;
  stop(): Promise<void>;
}

interface Item {
  event?: { id: string; cursor: string; data: { id: string; text: string } };
  ready?: { cursor: string };
  heartbeat?: { cursor: string };
  gap?: { to: string };
  goodbye?: object;
  error?: { code: string };
}

/** Follows the events of the token's account over Connect JSON. */
export function follow(url: string, token: string, afterCursor = ""): Follower {
  const stop = new AbortController();
  const events: Follower["events"] = [];
  const waiting = new Set<() => void>();
  let cursor = afterCursor;
  let saidGoodbye = false;
  let stands = () => {};
  let fails = (_: unknown) => {};
  const ready = new Promise<void>((resolve, reject) => {
    stands = resolve;
    fails = reject;
  });
  ready.catch(() => {});

  const take = (item: Item) => {
    if (item.gap) throw new Error("the stream has a gap");
    if (item.goodbye) saidGoodbye = true;
    cursor = item.event?.cursor ?? item.ready?.cursor ?? item.heartbeat?.cursor ?? cursor;
    if (item.ready) stands();
    if (!item.event) return;
    const { id, data } = item.event;
    events.push({ id, cursor: item.event.cursor, messageId: data.id, text: data.text });
    for (const look of waiting) look();
  };

  const read = async () => {
    const response = await fetch(`${url}/backstay.events.v1.EventService/Subscribe`, {
      method: "POST",
      headers: { "content-type": "application/connect+json", authorization: `Bearer ${token}` },
      body: envelope(JSON.stringify(afterCursor === "" ? {} : { afterCursor })),
      signal: stop.signal,
    });
    for await (const { end, item } of frames(response.body!)) {
      if (!end) take(item);
      else if (item.error) return { error: item.error.code };
    }
    return saidGoodbye ? ("goodbye" as const) : ("broken" as const);
  };
  const ended = read()
    .catch((error: unknown) => {
      if (stop.signal.aborted) return "stopped" as const;
      // An open stream breaks with a TypeError of fetch; anything else is a fault of the stream or of this reader.
      if (!(error instanceof TypeError)) throw error;
      return "broken" as const;
    })
    .finally(() => fails(new Error("the stream has ended")));
  ended.catch(() => {});

  return {
    ready,
    events,
    get cursor() {
      return cursor;
    },
    ended,
    reaches: (count, ms = 15_000) =>
      new Promise((resolve, reject) => {
        const leave = (settle: () => void) => {
          clearTimeout(timer);
          waiting.delete(look);
          settle();
        };
        const look = () => events.length >= count && leave(resolve);
        const give = (why: string) =>
          leave(() => reject(new Error(`${events.length} of ${count} events, then ${why}`)));
        const timer = setTimeout(() => give("nothing more in time"), ms);
        waiting.add(look);
        void ended.then(
          (how) => give(JSON.stringify(how)),
          (error) => give(String(error)),
        );
        look();
      }),
    async stop() {
      stop.abort();
      await ended;
    },
  };
}

function envelope(text: string): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(text);
  const framed = new Uint8Array(5 + body.length);
  new DataView(framed.buffer).setUint32(1, body.length);
  framed.set(body, 5);
  return framed;
}

async function* frames(stream: ReadableStream<Uint8Array>): AsyncGenerator<{ end: boolean; item: Item }> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const size = rest.readUInt32BE(1);
      yield { end: (rest[0]! & 2) !== 0, item: JSON.parse(rest.toString("utf8", 5, 5 + size)) as Item };
      rest = rest.subarray(5 + size);
    }
  }
}
