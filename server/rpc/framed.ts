import type { DescMethodBiDiStreaming, DescMethodClientStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { type ConnectRouter, createConnectRouter, createContextKey, createContextValues } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { DomainError } from "../kernel/errors.js";
import { Call, type CallRequest } from "./call.js";
import type { Codec } from "./codec.js";
import type { Request, Response } from "./dispatcher.js";
import { Refusal, readInput } from "./framed-input.js";
import { answerStream, setCallHeaders } from "./framed-stream.js";
import { type Framing, mediaTypeOf } from "./framing.js";
import type { Method } from "./methods.js";
import type { Input, Pipeline } from "./pipeline.js";
import { pulled } from "./pushed.js";
import { isGone } from "./response-outlet.js";
import { COMPRESS_FROM, streamFrames } from "./stream-frames.js";
import { connectErrorJson, toConnectError } from "./wire-errors.js";

export { framingOf } from "./framing.js";

/** Headers the library needs to frame its answer. What says how the request came is left out: it has been read. */
const PASSED = [
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

/**
 * Answers gRPC, gRPC-Web, Connect streams and the rarer forms of Connect. The pipeline admits the call and is given what
 * it asks, one message or the stream of them. Answers that are streams to one request are framed here, since a thousand of
 * them may carry the same bytes; connect-node frames the others, and sees an empty message in place of what was read.
 */
export function createFramedDoor(methods: Iterable<Method>, pipeline: Pipeline, codec: Codec) {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    compressMinBytes: COMPRESS_FROM,
    jsonOptions: {},
  });
  for (const method of methods) addRoute(router, method);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const framesFor = streamFrames(codec);

  return async (req: Request, res: Response, method: Method, framing: Framing): Promise<void> => {
    const call = new Call(method, framing.door, req as CallRequest);
    res.once("close", () => call.abort(new DomainError("CALL_CANCELED")));
    res.setHeader("x-request-id", call.requestId);
    if (method.stream && method.streamsRequests && req.httpVersionMajor === 1) return refuseHttp1(res, call, pipeline);
    const input = await readInput(call, req, framing, pipeline, codec);
    if (method.stream && !method.streamsRequests) {
      return answerStream(res, call, pipeline, framesFor(method.output, req, framing), input);
    }
    const hungUp = new AbortController();
    if (isGone(res)) hungUp.abort();
    else res.once("close", () => hungUp.abort(new DomainError("CALL_CANCELED")));
    const setHeaders = () => {
      if (!res.headersSent) setCallHeaders(res, call);
    };
    const running = runningCall(call, pipeline, input, setHeaders, (error) => {
      const shown = pipeline.close(call, error);
      setHeaders();
      if (method.streamsRequests) leaveRequest(call, req);
      return shown;
    });
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

function addRoute(router: ConnectRouter, { descriptor }: Method): void {
  switch (descriptor.methodKind) {
    case "unary":
      router.rpc(descriptor as DescMethodUnary, (_, { values }) => values.get(RUNNING)!.unary());
      break;
    case "server_streaming":
      // Answered without the library.
      break;
    case "client_streaming":
      router.rpc(descriptor as DescMethodClientStreaming, (_, { values }) => values.get(RUNNING)!.unary());
      break;
    case "bidi_streaming":
      router.rpc(descriptor as DescMethodBiDiStreaming, (_, { values }) => values.get(RUNNING)!.stream());
  }
}

/** Over HTTP/1.1 a client that waits for answers before it ends its request could wait for ever. */
function refuseHttp1(res: Response, call: Call, pipeline: Pipeline): void {
  const refused = new DomainError("HTTP2_REQUIRED");
  res.setHeader("connection", "close");
  res.setHeader("content-type", "application/json");
  res.statusCode = 505;
  res.end(connectErrorJson(pipeline.close(call, refused)!));
}

/** The verb is done: whoever waits for more of the request is woken, and what still comes is read by nobody. */
function leaveRequest(call: Call, req: Request): void {
  call.abort(new DomainError("CALL_CANCELED"));
  req.resume();
}

/**
 * The call as the library runs it: the verb, with its end and its errors made ours. `begin` is called before the answer's
 * first message, and `end` once.
 */
function runningCall(
  call: Call,
  pipeline: Pipeline,
  input: Input | Refusal,
  begin: () => void,
  end: (error?: unknown) => DomainError | undefined,
): Running {
  return {
    async unary() {
      try {
        if (input instanceof Refusal) throw input.error;
        const response = await pipeline.invoke(call, input);
        end();
        return response;
      } catch (error) {
        throw toConnectError(end(error)!);
      }
    },
    async *stream() {
      let ended = false;
      try {
        if (input instanceof Refusal) throw input.error;
        for await (const message of pulled(pipeline.stream(call, input))) {
          begin();
          yield message;
        }
        ended = true;
        end();
      } catch (error) {
        ended = true;
        throw toConnectError(end(error)!);
      } finally {
        // Nobody takes what is left of the answer.
        if (!ended) end(new DomainError("CALL_CANCELED"));
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
  if (req.method === "POST") headers.set("content-type", mediaTypeOf(req));
  return headers;
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
