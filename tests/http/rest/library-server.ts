import http, { type IncomingHttpHeaders } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Ports } from "../../../server/context.js";
import { createCors } from "../../../server/http/cors.js";
import type { Health } from "../../../server/http/health.js";
import {
  createRestDoor,
  methodNotAllowed,
  notFound,
  type RestDoor,
  type RestOptions,
} from "../../../server/http/rest/index.js";
import { createRoot, type RootParts } from "../../../server/http/root.js";
import { ANONYMOUS } from "../../../server/kernel/caller.js";
import { instanceKey } from "../../../server/kernel/instance-key.js";
import type { Authenticate, Handler, Served } from "../../../server/manifest.js";
import { type Call, requestIdOf } from "../../../server/rpc/call.js";
import { createCodec } from "../../../server/rpc/codec.js";
import { createDispatcher, type Request, type Response } from "../../../server/rpc/dispatcher.js";
import { createFramedDoor } from "../../../server/rpc/framed.js";
import { methodTable } from "../../../server/rpc/methods.js";
import { createPipeline } from "../../../server/rpc/pipeline.js";
import { atEnd } from "../listener-harness.js";
import { libraryService, type TestRpc } from "./library-proto.js";

/** An RPC and what answers it; it echoes when nothing else is given. */
export interface ServedRpc extends TestRpc {
  handler?: Handler;
}

export interface LibraryOptions extends Partial<RestOptions> {
  messageBytes?: number;
  authenticate?: Authenticate;
  emitDefaults?: boolean;
  /** Told of every call before it is admitted. */
  onCall?: (call: Call) => void;
}

/** Lines of the access log, as far as tests look at them. */
export interface CallLine {
  method: string;
  door: string;
  code: string;
  reason?: string;
}

/** The door alone, for what it refuses at its start and for what it matches. */
export function libraryDoor(rpcs: Record<string, ServedRpc>): RestDoor {
  return createDoor([serveRpcs(rpcs)]).door;
}

/** A door on the real pipeline, with the lines of its access log. */
export function createDoor(services: readonly Served[], options: LibraryOptions = {}) {
  const { messageBytes = 4096, authenticate = () => ANONYMOUS, emitDefaults = false, onCall, ...given } = options;
  const rest = { ignoreUnknownFields: false, ...given };
  const calls: CallLine[] = [];
  const log = { info: (line: CallLine) => calls.push(line), error: (line: CallLine) => calls.push(line) };
  const key = instanceKey(Buffer.alloc(32, 7));
  const ports = { log, key, database: { during: () => undefined } } as unknown as Ports;
  const pipeline = createPipeline(ports, { authenticate, messageBytes });
  const admit = pipeline.admit;
  pipeline.admit = (call) => {
    onCall?.(call);
    return admit(call);
  };
  const codec = createCodec({ ignoreUnknownFields: rest.ignoreUnknownFields, emitDefaults });
  const methods = methodTable(services);
  return { door: createRestDoor(methods.values(), pipeline, codec, rest), calls, methods, pipeline, codec };
}

export function serveRpcs(rpcs: Record<string, ServedRpc>): Served {
  const descriptor = libraryService(rpcs);
  const handlers: Record<string, Handler> = {};
  for (const method of descriptor.methods) handlers[method.localName] = rpcs[method.name]?.handler ?? echo;
  return { descriptor, handlers };
}

/** Answers what it is asked. */
export const echo: Handler = (request) => request;

/** Serves RPCs of the test on a free port until the test ends. */
export async function serveLibrary(
  rpcs: Record<string, ServedRpc>,
  { http2: speakHttp2, ...options }: LibraryOptions & { http2?: boolean } = {},
) {
  const { door, calls } = createDoor([serveRpcs(rpcs)], options);
  const route = (req: Request, res: Response) => {
    const match = door.match(req.method ?? "", (req.url ?? "").split("?", 1)[0] ?? "");
    if (match === undefined) return notFound(res, requestIdOf(req.headers));
    if ("allow" in match) return methodNotAllowed(res, requestIdOf(req.headers), match.allow);
    return door.handle(req, res, match);
  };
  const { server, port } = await listen(speakHttp2 ? http2.createServer(route) : http.createServer(route));
  return { port, server, calls, call: (line: string, request?: RestRequest) => call(port, line, request) };
}

/** Serves RPCs of the test at every door of the real port. */
export async function serveEveryDoor(
  rpcs: Record<string, ServedRpc>,
  options: LibraryOptions & { origins?: string } = {},
) {
  const { origins = "", ...more } = options;
  const { door, methods, pipeline, codec } = createDoor([serveRpcs(rpcs)], more);
  const parts: Partial<RootParts> = {
    methods,
    rest: door,
    dispatcher: createDispatcher(pipeline, codec),
    framed: createFramedDoor(methods.values(), pipeline, codec),
    cors: createCors({ origins, development: false }),
    health: { isReady: () => Promise.resolve(true) } as Health,
    pages: { find: () => undefined },
    onFailure(error) {
      throw error;
    },
  };
  const { port } = await listen(http.createServer(createRoot(parts as RootParts)));
  return { port, call: (line: string, request?: RestRequest) => call(port, line, request) };
}

async function listen<Server extends http.Server | http2.Http2Server>(server: Server) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  atEnd(() => {
    if (server instanceof http.Server) server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { server, port };
}

export interface RestRequest {
  headers?: Record<string, string>;
  /** JSON unless it is text or bytes already. */
  body?: unknown;
}

export interface RestReply {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  json: any;
  /** The reason of an error's ErrorInfo, and the field of its BadRequest, by REST or Connect. */
  reason: string | undefined;
  field: string | undefined;
}

/** Calls `GET /path` or the like. */
function call(port: number, line: string, { headers = {}, body }: RestRequest = {}): Promise<RestReply> {
  const [method, path] = line.split(" ") as [string, string];
  const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
  const sent = (raw ? body : JSON.stringify(body)) as string | Buffer | undefined;
  // Without a length the client of node:http sends the body of a DELETE as if it were another request.
  const length = headers["transfer-encoding"] ? {} : { "content-length": Buffer.byteLength(sent ?? "") };
  const type = sent === undefined ? {} : { "content-type": "application/json", ...length };
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port, method, path, headers: { ...type, ...headers } }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => resolve(replyOf(res.statusCode ?? 0, res.headers, Buffer.concat(chunks))));
    });
    req.on("error", reject);
    req.end(sent);
  });
}

export function replyOf(status: number, headers: IncomingHttpHeaders, bytes: Buffer): RestReply {
  const text = bytes.toString("utf8");
  const isJson = headers["content-type"] === "application/json" && !headers["content-encoding"] && text !== "";
  const json = isJson ? JSON.parse(text) : undefined;
  const details = new Map<string, { reason?: string; fieldViolations?: { field: string }[] }>(
    (status >= 400 ? json?.details : undefined)?.map((detail: JsonObject) => [
      // Connect names the type without its URL, and keeps the value apart.
      String(detail["@type"] ?? detail.type).replace(/^.*\./, ""),
      detail.debug ?? detail,
    ]),
  );
  const field = details.get("BadRequest")?.fieldViolations?.[0]?.field;
  return { status, headers, bytes, text, json, reason: details.get("ErrorInfo")?.reason, field };
}
