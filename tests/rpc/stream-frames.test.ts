import { brotliCompressSync, constants } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, it } from "vitest";
import { envelope } from "./doors.js";
import { openPorts, openRequest, streamDoor } from "./stream-house.js";
import { ItemSchema, streamHandlers } from "./stream-service.js";

let ports: Awaited<ReturnType<typeof openPorts>>;
beforeAll(async () => {
  ports = await openPorts(streamDoor(streamHandlers(() => {})).door);
});
afterAll(() => ports.close());

it("messages of streams are packed by Brotli as what is packed in passing is", async () => {
  // Of words, which Brotli packs the better the longer it tries.
  const text = Array.from({ length: 2_000 }, (_, n) => (n * 7919) % 1_000).join(" ");
  const headers = { "content-type": "application/connect+proto", "connect-accept-encoding": "br" };
  const { stream, answered } = openRequest(ports.session, "Repeat", headers);
  stream.end(envelope(Buffer.from(toBinary(ItemSchema, create(ItemSchema, { text, number: 2 } as never)))));
  const { head, body } = await answered;
  expect(head["connect-content-encoding"]).toBe("br");
  const message = toBinary(ItemSchema, create(ItemSchema, { text, number: 0 } as never));
  const packed = (quality: number) =>
    brotliCompressSync(message, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } });
  expect(body.subarray(5, 5 + body.readUInt32BE(1))).toEqual(packed(4));
  expect(packed(4)).not.toEqual(packed(constants.BROTLI_DEFAULT_QUALITY));
});
