import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ListMessagesRequestSchema,
  ListMessagesResponseSchema,
  MarkReadRequestSchema,
  type Message,
  MessageService,
} from "#gen/backstay/messages/v1/messages_pb.js";
import type { Ports } from "../../server/context.js";
import { DomainError, REASONS, type Reason } from "../../server/kernel/errors.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import { serve } from "../../server/manifest.js";
import { createCodec } from "../../server/rpc/codec.js";
import { createDispatcher, plainFormat, type Request, type Response } from "../../server/rpc/dispatcher.js";
import { createFramedDoor, framingOf } from "../../server/rpc/framed.js";
import { methodTable } from "../../server/rpc/methods.js";
import { createPipeline } from "../../server/rpc/pipeline.js";
import { toConnectError } from "../../server/rpc/wire-errors.js";
import { fc } from "../support/properties.js";

// One set of handlers behind three doors: our dispatcher, our pipeline with connect-node framing the answer, and
// connect-node alone, which the other two are compared with.
const at = timestampFromMs(1_790_000_000_123);
const handlers = {
  sendMessage: (request: { recipientId: string; text: string }) => ({
    message: { id: "1", ...request, createTime: at },
  }),
  listMessages: (request: { senderId: string; pageSize: number; pageToken: string }) => ({
    messages: Array.from({ length: request.pageSize }, (_, i) => ({
      id: String(i),
      senderId: request.senderId,
      text: request.pageToken,
      createTime: at,
    })),
    nextPageToken: request.pageToken,
  }),
  markRead: (request: { id: string }): { message: Partial<Message> } => {
    throw new DomainError(request.id as Reason, `because ${request.id}`, {
      field: "id",
      metadata: { key: "valüe" },
      retryAfterMs: 1500,
    });
  },
};

const log = { debug() {}, info() {}, warn() {}, error() {}, flush() {} };
const ports = { log, key: instanceKey(Buffer.alloc(32, 7)) } as unknown as Ports;
const caller = {
  kind: "account",
  accountId: "a",
  roles: [],
  familyId: "f",
  via: "token",
  expiresAt: new Date(),
} as const;
// The service may have more methods than are compared here.
const others = Object.fromEntries(MessageService.methods.map(({ localName }) => [localName, () => ({})]));
const methods = methodTable([serve(MessageService, { ...others, ...handlers } as never)]);
const pipeline = createPipeline(ports, { authenticate: () => caller, messageBytes: 1 << 20 });
const codec = createCodec({ ignoreUnknownFields: false });
const dispatcher = createDispatcher(pipeline, codec);
const framed = createFramedDoor(methods.values(), pipeline, codec);

const doors = {
  dispatcher: (req: Request, res: Response) => {
    const method = methods.get(req.url!)!;
    return dispatcher(req, res, method, plainFormat(req, method)!);
  },
  framed: (req: Request, res: Response) => {
    const method = methods.get(req.url!)!;
    return framed(req, res, method, framingOf(req, method)!);
  },
  reference: connectNodeAdapter({
    routes: (router) => {
      const fails = (error: unknown) => {
        throw toConnectError(error as DomainError);
      };
      router.service(MessageService, {
        sendMessage: (request) => handlers.sendMessage(request) as never,
        listMessages: (request) => handlers.listMessages(request) as never,
        markRead: (request) => {
          try {
            return handlers.markRead(request) as never;
          } catch (error) {
            return fails(error);
          }
        },
      });
    },
  }),
};

const servers: Server[] = [];
const urls: Record<string, string> = {};
beforeAll(async () => {
  for (const [name, door] of Object.entries(doors)) {
    const server = createServer(door as RequestListener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    urls[name] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** What a client can tell apart: status, content type and the bytes. */
async function ask(door: string, rpc: string, type: string, body: Uint8Array | string) {
  const response = await fetch(`${urls[door]}/backstay.messages.v1.MessageService/${rpc}`, {
    method: "POST",
    headers: { "content-type": type, "connect-protocol-version": "1", authorization: "Bearer t" },
    body: Buffer.from(body),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, type: response.headers.get("content-type"), body: bytes };
}

/** Reasons whose HTTP status is more exact than their code's. */
const httpKnowsBetter = { UNSUPPORTED_MEDIA_TYPE: 415, METHOD_NOT_ALLOWED: 405, HTTP2_REQUIRED: 505 };

const request = fc.record({
  senderId: fc
    .string({ maxLength: 64, unit: "grapheme" })
    .map((text) => text.replaceAll("\0", "").slice(0, 32).toWellFormed()),
  pageSize: fc.integer({ min: 0, max: 20 }),
  pageToken: fc.string({ maxLength: 100 }).map((text) => text.replaceAll("\0", "")),
});

describe.each(["dispatcher", "framed"])("the %s", (door) => {
  it("answers JSON as connect-node does", async () => {
    await fc.assert(
      fc.asyncProperty(request, async (fields) => {
        const body = toJsonString(ListMessagesRequestSchema, create(ListMessagesRequestSchema, fields));
        const [ours, reference] = await Promise.all(
          [door, "reference"].map((name) => ask(name, "ListMessages", "application/json", body)),
        );
        expect({ ...ours, body: JSON.parse(ours!.body.toString()) }).toEqual({
          ...reference,
          body: JSON.parse(reference!.body.toString()),
        });
      }),
      { numRuns: 100 },
    );
  });

  it("answers binary as connect-node does, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(request, async (fields) => {
        const body = toBinary(ListMessagesRequestSchema, create(ListMessagesRequestSchema, fields));
        const [ours, reference] = await Promise.all(
          [door, "reference"].map((name) => ask(name, "ListMessages", "application/proto", body)),
        );
        expect(ours).toEqual(reference);
        const expected: MessageInitShape<typeof ListMessagesResponseSchema> = handlers.listMessages(fields);
        expect(fromBinary(ListMessagesResponseSchema, ours!.body)).toEqual(
          create(ListMessagesResponseSchema, expected),
        );
      }),
      { numRuns: 100 },
    );
  });

  it.each(Object.keys(REASONS).filter((reason) => !(reason in httpKnowsBetter)))(
    "answers the error %s as connect-node does, with all its details",
    async (reason) => {
      const message = create(MarkReadRequestSchema, { id: reason });
      for (const [type, body] of [
        ["application/json", toJsonString(MarkReadRequestSchema, message)],
        ["application/proto", toBinary(MarkReadRequestSchema, message)],
      ] as const) {
        const [ours, reference] = await Promise.all(
          [door, "reference"].map((name) => ask(name, "MarkRead", type, body)),
        );
        expect(ours!.status).toBe(reference!.status);
        expect(ours!.type).toBe(reference!.type);
        expect(withoutDebug(ours!.body)).toEqual(withoutDebug(reference!.body));
      }
    },
  );
});

/** `debug` repeats `value` for people; the protocol leaves it to the server. */
function withoutDebug(body: Buffer) {
  const { details = [], ...error } = JSON.parse(body.toString()) as { details?: { debug?: unknown }[] };
  return { ...error, details: details.map(({ debug: _, ...detail }) => detail) };
}
