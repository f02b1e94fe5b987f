import type { DescMethodStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { createConnectRouter, createContextKey, createContextValues } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { DomainError } from "../kernel/errors.js";
import { readBody } from "./body.js";
import { Call, type CallRequest, type Door } from "./call.js";
import type { Codec, Format } from "./codec.js";
import { connectTimeout, grpcTimeout } from "./deadline.js";
import type { Request, Response } from "./dispatcher.js";
import { checkEnvelopeLength, decompress, openEnvelope } from "./envelope.js";
import type { Method } from "./methods.js";
import type { Pipeline } from "./pipeline.js";
import { toConnectError } from "./wire-errors.js";

/** How a request is framed. */
interface Framing {
  door: Door;
  format: Format;
  enveloped: boolean;
}

const FRAMINGS = new Map<string, Framing>([
  ["application/grpc", { door: "grpc", format: "proto", enveloped: true }],
  ["application/grpc+proto", { door: "grpc", format: "proto", enveloped: true }],
  ["application/grpc+json", { door: "grpc", format: "json", enveloped: true }],
  ["application/grpc-web", { door: "grpc-web", format: "proto", enveloped: true }],
  ["application/grpc-web+proto", { door: "grpc-web", format: "proto", enveloped: true }],
  ["application/grpc-web+json", { door: "grpc-web", format: "json", enveloped: true }],
  ["application/connect+proto", { door: "connect", format: "proto", enveloped: true }],
  ["application/connect+json", { door: "connect", format: "json", enveloped: true }],
  ["application/proto", { door: "connect", format: "proto", enveloped: false }],
  ["application/json", { door: "connect", format: "json", enveloped: false }],
]);

/** Headers the library needs to frame its answer. What says how the request came is left out: it has been read. */
const PASSED = [
  "content-type",
  "connect-protocol-version",
  "accept-encoding",
  "connect-accept-encoding",
  "grpc-accept-encoding",
  "te",
  "x-grpc-web",
  "user-agent",
];

interface Running {
  unary: () => Promise<Message>;
  stream: () => AsyncIterable<Message>;
}

const RUNNING = createContextKey<Running | undefined>(undefined);

/** The framing of a request for `method`, or undefined when its content type is none of Connect's and gRPC's. */
export function framingOf(req: Request, method: Method): Framing | undefined {
  if (req.method === "GET" && method.readOnly && !method.stream) {
    const format = queryOf(req).get("encoding");
    return format === "json" || format === "proto" ? { door: "connect", format, enveloped: false } : undefined;
  }
  const type = (req.headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase();
  const framing = FRAMINGS.get(type);
  const fits = framing?.door !== "connect" || framing.enveloped === method.stream;
  return fits && req.method === "POST" ? framing : undefined;
}

/**
 * Answers gRPC, gRPC-Web, Connect streams and the rarer forms of Connect. The pipeline admits the call and reads its one
 * message; connect-node then frames the answer, given an empty message in place of the one that was read.
 */
export function createFramedDoor(methods: Iterable<Method>, pipeline: Pipeline, codec: Codec) {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    compressMinBytes: 1024,
    jsonOptions: {},
  });
  for (const method of methods) {
    if (method.stream) {
      router.rpc(method.descriptor as DescMethodStreaming & { methodKind: "server_streaming" }, (_, context) =>
        context.values.get(RUNNING)!.stream(),
      );
    } else {
      router.rpc(method.descriptor as DescMethodUnary, (_, context) => context.values.get(RUNNING)!.unary());
    }
  }
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return async (req: Request, res: Response, method: Method, framing: Framing): Promise<void> => {
    const call = new Call(method, framing.door, req as CallRequest);
    const hungUp = new AbortController();
    res.once("close", () => {
      const reason = new DomainError("CALL_CANCELED");
      call.abort(reason);
      hungUp.abort(reason);
    });
    const running = runningCall(call, pipeline, await readMessage(call, req, framing, pipeline, codec));
    res.setHeader("x-request-id", call.requestId);
    const answer = await handlers.get(method.path)!({
      httpVersion: req.httpVersion,
      method: req.method!,
      url: `http://localhost${method.path}${req.method === "GET" ? emptyQuery(framing) : ""}`,
      header: passedHeaders(req),
      body: once(emptyBody(framing)),
      signal: hungUp.signal,
      contextValues: createContextValues().set(RUNNING, running),
    });
    await universalResponseToNodeResponse(answer, res as never);
  };
}

/** The request message, or the error that keeps the call from running. */
async function readMessage(
  call: Call,
  req: Request,
  framing: Framing,
  pipeline: Pipeline,
  codec: Codec,
): Promise<Message | { refused: unknown }> {
  try {
    const grpc = framing.door !== "connect";
    call.timeoutMs = grpc
      ? grpcTimeout(req.headers["grpc-timeout"])
      : connectTimeout(req.headers["connect-timeout-ms"]);
    const admitted = pipeline.admit(call);
    if (admitted !== undefined) await call.within(admitted);
    const bytes = await call.within(readBytes(req, framing, pipeline.messageBytes, grpc));
    return codec.decode(framing.format, call.method.input, bytes);
  } catch (error) {
    return { refused: error };
  }
}

async function readBytes(req: Request, framing: Framing, limit: number, grpc: boolean): Promise<Buffer> {
  if (req.method === "GET") {
    const query = queryOf(req);
    const bytes =
      query.get("base64") === "1" ? Buffer.from(query.get("message") ?? "", "base64url") : rawParameter(req, "message");
    return decompress(bytes, query.get("compression") ?? "identity", limit);
  }
  if (!framing.enveloped) {
    const body = await readBody(req, limit);
    return decompress(body, String(req.headers["content-encoding"] ?? "identity"), limit);
  }
  const body = await readBody(req, limit + 5, (piece) => checkEnvelopeLength(piece, limit));
  const encoding = req.headers[grpc ? "grpc-encoding" : "connect-content-encoding"];
  return openEnvelope(body, typeof encoding === "string" ? encoding : undefined, limit);
}

/** The call as the library runs it: the verb, with its end and its errors made ours. */
function runningCall(call: Call, pipeline: Pipeline, message: Message | { refused: unknown }): Running {
  const refuse = (error: unknown) => toConnectError(pipeline.close(call, error)!);
  return {
    async unary() {
      if ("refused" in message) throw refuse(message.refused);
      try {
        const response = await pipeline.invoke(call, message);
        pipeline.close(call);
        return response;
      } catch (error) {
        throw refuse(error);
      }
    },
    async *stream() {
      if ("refused" in message) throw refuse(message.refused);
      try {
        yield* pipeline.stream(call, message);
        pipeline.close(call);
      } catch (error) {
        throw refuse(error);
      }
    },
  };
}

function passedHeaders(req: Request): Headers {
  const headers = new Headers();
  for (const name of PASSED) {
    const value = req.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  return headers;
}

function queryOf(req: Request): URLSearchParams {
  return new URLSearchParams(queryText(req));
}

function queryText(req: Request): string {
  const url = req.url ?? "";
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at + 1);
}

/** The bytes of a query parameter: made text at once, those that are no UTF-8 would become others that are. */
function rawParameter(req: Request, name: string): Buffer {
  const parameter = queryText(req)
    .split("&")
    .find((one) => one.startsWith(`${name}=`));
  const latin1 = (parameter ?? "")
    .slice(name.length + 1)
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, "latin1");
}

function emptyQuery({ format }: Framing): string {
  return `?connect=v1&encoding=${format}&message=${format === "json" ? "%7B%7D" : ""}`;
}

function emptyBody({ format, enveloped }: Framing): Uint8Array {
  const message = Buffer.from(format === "json" ? "{}" : "");
  return enveloped ? Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]) : message;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
