import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { EventService, SubscribeResponseSchema } from "#gen/backstay/events/v1/events_pb.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { bearer, curl, upTo, within } from "../support.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "events.streams_per_account": "1000" });
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const PUBLISH = "events.v1.EventService/Publish";
const publish = (text: string) => curl(backstay, PUBLISH, { type: "chat.line", data: { text } }, ada.token);

/** What one stream says, as JSON. */
type Said = AsyncIterator<JsonObject>;

const http1 = () => ({ baseUrl: backstay.url, httpVersion: "1.1" as const });
const http2 = () => ({ baseUrl: backstay.url, httpVersion: "2" as const });

const DOORS: Record<string, () => Said> = {
  "Connect JSON": () => byRpc(createConnectTransport({ ...http1(), useBinaryFormat: false })),
  "Connect binary": () => byRpc(createConnectTransport({ ...http1(), useBinaryFormat: true })),
  "Connect JSON by HTTP/2": () => byRpc(createConnectTransport({ ...http2(), useBinaryFormat: false })),
  "Connect that takes no compression": () => byRpc(createConnectTransport({ ...http1(), acceptCompression: [] })),
  gRPC: () => byRpc(createGrpcTransport({ baseUrl: backstay.url })),
  "gRPC-Web": () => byRpc(createGrpcWebTransport(http1())),
  NDJSON: () => byRest("application/x-ndjson", /^(.*)\n/),
  "server-sent events": () => byRest("text/event-stream", /^(?:id: .*\n)?data: (.*)\n\n/),
};

async function* byRpc(transport: Transport): AsyncGenerator<JsonObject> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const options = { headers: bearer(ada.token), signal: controller.signal };
  for await (const message of createClient(EventService, transport).subscribe({}, options)) {
    yield toJson(SubscribeResponseSchema, message) as JsonObject;
  }
}

async function* byRest(accept: string, item: RegExp): AsyncGenerator<JsonObject> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const headers = { accept, ...bearer(ada.token) };
  const response = await fetch(`${backstay.url}/v1/events:subscribe`, { headers, signal: controller.signal });
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let found = item.exec(text); found !== null; found = item.exec(text)) {
      text = text.slice(found[0].length);
      yield JSON.parse(found[1]!);
    }
  }
}

async function next(said: Said): Promise<JsonObject> {
  return (await within(5_000, said.next(), "the stream says something")).value;
}

it("an event is the same in the streams of all doors, small or so large that it is compressed", async () => {
  const streams = Object.entries(DOORS).flatMap(([door, open]) => upTo(5).map(() => ({ door, said: open() })));
  for (const { said } of streams) expect(await next(said)).toMatchObject({ ready: {} });
  for (const text of ["small", "🐌 large ".repeat(1_000), "small again"]) {
    await publish(text);
    const items = await Promise.all(streams.map(async ({ door, said }) => ({ door, item: await next(said) })));
    const first = items[0]!.item;
    expect(first).toMatchObject({ event: { type: "chat.line", data: { text } } });
    for (const { door, item } of items) expect(item, door).toEqual(first);
  }
});

it("hundreds of streams get what happens in its order, whatever filters they have", async () => {
  const wishes = [{}, { types: ["chat.*"] }, { match: "chat/line" }, { match: "^{path:/chat/line,mtime:\\d+,type:}$" }];
  const streams = await Promise.all(upTo(200).map((n) => standingStream(backstay, ada.token, wishes[n % 4])));
  const others = await Promise.all(upTo(20).map(() => standingStream(backstay, ada.token, { match: "chat/word" })));
  const texts = upTo(20).map((n) => `line ${n}`);
  for (const text of texts) await publish(text);
  const seen = await Promise.all(
    streams.map(async (stream) => {
      const all: unknown[] = [];
      while (all.length < texts.length) all.push((await stream.event()).data.text);
      return all;
    }),
  );
  for (const all of seen) expect(all).toEqual(texts);
  await curl(backstay, PUBLISH, { type: "chat.word", data: { text: "end" } }, ada.token);
  for (const stream of others) expect((await stream.event()).data.text).toBe("end");
});

it("streams with patterns that would take a backtracking matcher for ever hold up nobody", async () => {
  // Each its own, so that none is helped by what another has found.
  const patterns = upTo(50).map((n) => `(\\w+\\w+)+(a|b|ab){${n % 5},9}[^${String.fromCharCode(96 + (n % 26))}]*!${n}`);
  await Promise.all(patterns.map((match) => standingStream(backstay, ada.token, { match })));
  const other = await standingStream(backstay, ada.token);
  await publish("past all of them");
  expect((await other.event(2_500)).data.text).toBe("past all of them");
});
