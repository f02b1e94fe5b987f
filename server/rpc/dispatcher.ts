import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { DomainError } from "../kernel/errors.js";
import { readBody } from "./body.js";
import { Call, type CallRequest } from "./call.js";
import type { Codec, Format } from "./codec.js";
import { connectTimeout } from "./deadline.js";
import type { Method } from "./methods.js";
import type { Pipeline } from "./pipeline.js";
import { connectErrorJson, httpStatus } from "./wire-errors.js";

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

const CONTENT_TYPES = { json: "application/json", proto: "application/proto" } as const;

/** The format of a call that this dispatcher takes: unary Connect, not compressed. */
export function plainFormat(req: Request, method: Method): Format | undefined {
  if (req.method !== "POST" || method.stream || method.streamsRequests) return undefined;
  const encoding = req.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") return undefined;
  const type = req.headers["content-type"];
  if (type === "application/json" || type === "application/json; charset=utf-8") return "json";
  if (type === "application/proto") return "proto";
  return undefined;
}

/**
 * Answers unary Connect calls with as little as they need: one read, one write, and no objects of the web's request API.
 * Everything else goes through connect-node, which this is compared with in the tests.
 */
export function createDispatcher(pipeline: Pipeline, codec: Codec) {
  return async (req: Request, res: Response, method: Method, format: Format): Promise<void> => {
    const call = new Call(method, "connect", req as CallRequest);
    if (method.longLived) res.once("close", () => call.abort(new DomainError("CALL_CANCELED")));
    try {
      call.timeoutMs = connectTimeout(req.headers["connect-timeout-ms"]);
      // Awaiting what is already known would cost a turn of the loop.
      const admitted = pipeline.admit(call);
      if (admitted !== undefined) await call.within(admitted);
      const body = await call.within(readBody(req, pipeline.messageBytes));
      const proved = pipeline.prove(call, body);
      if (proved !== undefined) await call.within(proved);
      const message = codec.decode(format, method.input, body);
      const answer = pipeline.invoke(call, message);
      const response = answer instanceof Promise ? await answer : answer;
      const encoded = codec.encode(format, method.output, response);
      pipeline.close(call);
      send(res, call, 200, CONTENT_TYPES[format], encoded);
    } catch (error) {
      const shown = pipeline.close(call, error) as DomainError;
      if (shown.reason === "MESSAGE_TOO_LARGE") hangUpAfter(req, res);
      send(res, call, httpStatus(shown), CONTENT_TYPES.json, connectErrorJson(shown));
    }
  };
}

function send(res: Response, call: Call, status: number, type: string, body: string | Uint8Array): void {
  if (res.destroyed) return;
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  if (call.cookies.length > 0) res.setHeader("set-cookie", call.cookies);
  const headers: OutgoingHttpHeaders = {
    "content-type": type,
    "content-length": length,
    "x-request-id": call.requestId,
  };
  if (call.isPrivate) headers["cache-control"] = "no-store";
  (res as ServerResponse).writeHead(status, headers);
  (res as ServerResponse).end(body);
}

/** What is still on its way of a body that is refused is not worth reading. */
export function hangUpAfter(req: Request, res: Response): void {
  if (req.httpVersionMajor === 1) res.setHeader("connection", "close");
}
