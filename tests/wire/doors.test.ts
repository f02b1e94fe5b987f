import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { createClient as createConnectClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { curl } from "./curl.js";
import { grpcClient } from "./grpc-client.js";

/** The product's main job through one door: an open stream of Ben's, and a way for Ada to write to him. */
interface Door {
  name: string;
  /** Opens Ben's stream; resolves once it stands, with what brings its next message text. */
  listen(): Promise<{ nextText(): Promise<string>; close(): void }>;
  send(text: string): Promise<void>;
}

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const bearer = (person: Person) => ({ authorization: `Bearer ${person.token}` });

const doors: Door[] = [
  {
    name: "Connect JSON by curl",
    async send(text) {
      const answer = await curl(`${backstay.url}/backstay.messages.v1.MessageService/SendMessage`, {
        token: ada.token,
        json: { recipientId: ben.id, text },
      });
      expect(answer).toMatchObject({ status: 200, json: { message: { text, senderId: ada.id } } });
    },
    async listen() {
      const frames = framesOf(
        await fetch(`${backstay.url}/backstay.events.v1.EventService/Subscribe`, {
          method: "POST",
          headers: { "content-type": "application/connect+json", ...bearer(ben) },
          body: Buffer.from("\0\0\0\0\x02{}"),
        }),
      );
      return reader(frames.items, (frame) => JSON.parse(frame.toString()), frames.close);
    },
  },
  {
    name: "Connect binary by the SDK",
    async send(text) {
      await ada.client.messages.sendMessage({ recipientId: ben.id, text });
    },
    async listen() {
      const subscription = ben.client.events.subscribe();
      await subscription.ready();
      return {
        nextText: async () => (await subscription.next()).value?.data?.text as string,
        close: () => void subscription.return?.(),
      };
    },
  },
  {
    name: "gRPC by grpc-js over cleartext HTTP/2",
    async send(text) {
      const client = grpcClient(backstay.url);
      const request = { recipientId: ben.id, text };
      const { message } = await client.unary(MessageService.method.sendMessage, request, bearer(ada));
      client.close();
      expect(message?.text).toBe(text);
    },
    async listen() {
      const client = grpcClient(backstay.url);
      const stream = client.stream(EventService.method.subscribe, {}, bearer(ben));
      stream.on("error", () => {});
      return reader(
        stream,
        (response) => ({ [response.item.case!]: response.item.value }),
        () => {
          stream.cancel();
          client.close();
        },
      );
    },
  },
  {
    name: "gRPC-Web by fetch",
    async send(text) {
      const client = createConnectClient(MessageService, createGrpcWebTransport({ baseUrl: backstay.url }));
      const { message } = await client.sendMessage({ recipientId: ben.id, text }, { headers: bearer(ada) });
      expect(message?.text).toBe(text);
    },
    async listen() {
      const client = createConnectClient(EventService, createGrpcWebTransport({ baseUrl: backstay.url }));
      const abort = new AbortController();
      const stream = client.subscribe({}, { headers: bearer(ben), signal: abort.signal });
      return reader(
        stream,
        (response) => ({ [response.item.case!]: response.item.value }),
        () => abort.abort(),
      );
    },
  },
  {
    name: "REST by curl",
    async send(text) {
      const answer = await curl(`${backstay.url}/v1/messages`, {
        token: ada.token,
        json: { recipientId: ben.id, text },
      });
      expect(answer).toMatchObject({ status: 200, json: { message: { text, recipientId: ben.id } } });
    },
    async listen() {
      const process = spawn("curl", [
        "-sN",
        `${backstay.url}/v1/events:subscribe`,
        ...["-H", "accept: application/x-ndjson", "-H", `authorization: Bearer ${ben.token}`],
      ]);
      return reader(
        createInterface(process.stdout),
        (line) => JSON.parse(line),
        () => process.kill(),
      );
    },
  },
  {
    name: "REST as server-sent events",
    async send(text) {
      const answer = await curl(`${backstay.url}/v1/messages`, {
        token: ada.token,
        json: { recipientId: ben.id, text },
      });
      expect(answer.status).toBe(200);
    },
    async listen() {
      const process = spawn("curl", [
        "-sN",
        `${backstay.url}/v1/events:subscribe`,
        ...["-H", "accept: text/event-stream", "-H", `authorization: Bearer ${ben.token}`],
      ]);
      const data = async function* () {
        for await (const line of createInterface(process.stdout)) {
          if (line.startsWith("data:")) yield line.slice(5);
        }
      };
      return reader(
        data(),
        (line) => JSON.parse(line),
        () => process.kill(),
      );
    },
  },
];

describe.each(doors)("$name", ({ send, listen }) => {
  it("brings a message to the recipient's open stream within a second", async () => {
    const stream = await listen();
    const text = `Hello Ben, ${Math.random()}`;
    await send(text);
    const arrived = await Promise.race([
      stream.nextText(),
      new Promise((resolve) => setTimeout(resolve, 1_000, "nothing arrived within a second").unref()),
    ]);
    stream.close();
    expect(arrived).toBe(text);
  });
});

type Item = { ready?: unknown; event?: { data?: Record<string, unknown> } };

/** Reads a stream up to its `ready`, then message by message. */
async function reader<T>(items: AsyncIterable<T>, parse: (item: T) => object, close: () => void) {
  const iterator = items[Symbol.asyncIterator]();
  const next = async () => parse((await iterator.next()).value) as Item;
  expect(await next()).toHaveProperty("ready");
  return {
    async nextText() {
      for (;;) {
        const { event } = await next();
        if (event) return event.data?.text as string;
      }
    },
    close,
  };
}

/** The enveloped messages of a Connect stream. */
function framesOf(response: Response) {
  const body = response.body!.getReader();
  const items = async function* () {
    let rest = Buffer.alloc(0);
    for (;;) {
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        yield rest.subarray(5, end);
        rest = rest.subarray(end);
      }
      const { done, value } = await body.read();
      if (done) return;
      rest = Buffer.concat([rest, value]);
    }
  };
  return { items: items(), close: () => void body.cancel() };
}
