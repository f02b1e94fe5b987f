/**
 * The references of the fan-out: node:http and node:http2 that write one encoded buffer to every stream, and connect-node's
 * adapter with the service of our own proto. A request to /say/NAME tells the streams of one of them an event. Prints its port.
 */
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import http2, { type Http2ServerResponse } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { create, fromJson, type JsonObject, toBinary, toJsonString } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EventService, type SubscribeResponse, SubscribeResponseSchema } from "#gen/backstay/events/v1/events_pb.js";

const ready = create(SubscribeResponseSchema, { item: { case: "ready", value: { cursor: "c".repeat(28) } } });

function envelope(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const encoders = {
  json: (message: SubscribeResponse) => envelope(Buffer.from(toJsonString(SubscribeResponseSchema, message))),
  proto: (message: SubscribeResponse) => envelope(toBinary(SubscribeResponseSchema, message)),
};

/** Writes the same bytes to all who came. */
function rawDoor(format: keyof typeof encoders, type: string) {
  const open = new Set<{ write(bytes: Buffer): boolean }>();
  const encode = encoders[format];
  const door = (_: unknown, res: ServerResponse | Http2ServerResponse) => {
    res.writeHead(200, { "content-type": type });
    const body = "stream" in res ? res.stream : res;
    body.write(encode(ready));
    open.add(body);
    res.on("close", () => open.delete(body));
  };
  return {
    door: door as RequestListener,
    say(message: SubscribeResponse) {
      const bytes = encode(message);
      for (const body of open) body.write(bytes);
    },
  };
}

/** Yields the same message to all who came. */
function libraryDoor() {
  const open = new Set<(message: SubscribeResponse) => void>();
  async function* subscribe() {
    const waiting: SubscribeResponse[] = [ready];
    let wake = () => {};
    const hear = (message: SubscribeResponse) => {
      waiting.push(message);
      wake();
    };
    open.add(hear);
    try {
      for (;;) {
        const message = waiting.shift();
        if (message !== undefined) yield message;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      open.delete(hear);
    }
  }
  return {
    door: connectNodeAdapter({
      routes: (router) => void router.service(EventService, { subscribe }),
    }) as unknown as RequestListener,
    say(message: SubscribeResponse) {
      for (const hear of open) hear(message);
    },
  };
}

const library1 = libraryDoor();
const library2 = libraryDoor();
const raw1 = rawDoor("json", "application/connect+json");
const raw2 = rawDoor("proto", "application/grpc+proto");
const says: Record<string, (message: SubscribeResponse) => void> = {
  raw1: raw1.say,
  raw2: raw2.say,
  library1: library1.say,
  library2: library2.say,
};

const listen = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
  return (server.address() as AddressInfo).port;
};
const ports = {
  raw1: await listen(createServer(raw1.door)),
  raw2: await listen(http2.createServer(raw2.door as never) as unknown as Server),
  library1: await listen(createServer(library1.door)),
  library2: await listen(http2.createServer(library2.door as never) as unknown as Server),
};

const control = createServer(async (req, res) => {
  if (req.method === "GET") return res.end(JSON.stringify(ports));
  let body = "";
  for await (const piece of req) body += piece;
  const { data } = JSON.parse(body) as { data: JsonObject };
  const event = {
    id: "0192f0000000700080000000000000ab",
    cursor: "c".repeat(28),
    type: "bench.event",
    path: "/bench/event",
    time: new Date().toISOString(),
    actorId: "0192f0000000700080000000000000ac",
    data,
    topic: "account/0192f0000000700080000000000000ac",
  };
  says[req.url!.slice("/say/".length)]!(fromJson(SubscribeResponseSchema, { event }));
  return res.end();
});
console.log(`ready ${await listen(control)}`);
