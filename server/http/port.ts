import { createRegistry } from "@bufbuild/protobuf";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type { AccessRules } from "../kernel/access-rules.js";
import type { Served } from "../manifest.js";
import type { Log } from "../platform/log.js";
import { createCodec } from "../rpc/codec.js";
import { createDispatcher } from "../rpc/dispatcher.js";
import { createFramedDoor } from "../rpc/framed.js";
import { type Method, methodTable } from "../rpc/methods.js";
import type { Pipeline } from "../rpc/pipeline.js";
import { accessTokenName } from "../rpc/sent-signature.js";
import { type Cors, createCors } from "./cors.js";
import { grpcServices } from "./grpc/index.js";
import type { Health } from "./health.js";
import { createListener, type Listener } from "./listener/index.js";
import { createOpenApiPage, openApiJson } from "./openapi/index.js";
import { createPageGate } from "./page-gate.js";
import type { InboxMail } from "./pages/inbox.js";
import { createPages } from "./pages/pages.js";
import { createRestDoor } from "./rest/index.js";
import { createRoot, type MorePaths } from "./root.js";
import { createSocketDoor, type SocketOptions } from "./socket/index.js";

export interface PortOptions {
  host: string;
  port: number;
  tls: { cert: string; key: string } | undefined;
  services: readonly Served[];
  pipeline: Pipeline;
  health: Health;
  log: Log;
  onFailure(error: unknown): void;
  cors: { origins: string; development: boolean };
  /** The header, and query parameter, of a signature. */
  signatureName: string;
  /** Where people reach this server; empty when that is not known. */
  publicUrl: string;
  version: string;
  ignoreUnknownFields: boolean;
  maxConnections: number;
  maxConnectionsPerAddress: number;
  /** Whether anyone may ask by which protos the services are served; yes when absent. */
  reflection?: boolean;
  /** Who may call what, beyond what the contract says. */
  access?: AccessRules | undefined;
  /** The mails of the development inbox, newest first; absent where there is none. */
  inbox?: (() => readonly InboxMail[]) | undefined;
  /** Makes the paths besides those of the contract. */
  paths?: ((methods: ReadonlyMap<string, Method>) => MorePaths) | undefined;
  /** Without them no WebSocket is opened. */
  sockets?: SocketOptions | undefined;
}

/** The one port, with every door behind it. Throws, naming the method, when a service cannot be served. */
export function createPort(options: PortOptions): Listener {
  const { pipeline, ignoreUnknownFields, log, signatureName } = options;
  const grpc = grpcServices(options.services, options.health, { reflection: options.reflection ?? true });
  const methods = methodTable([...options.services, ...grpc], options.access);
  const registry = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);
  const codec = createCodec({ ignoreUnknownFields, registry });
  const cors: Cors = createCors({ ...options.cors, signatureName });
  pipeline.warm(methods.values());
  const rest = createRestDoor(methods.values(), pipeline, codec, {
    ignoreUnknownFields,
    ignoredParameters: new Set([signatureName, accessTokenName(signatureName)]),
    // A stream that missed events goes on from where its gap ends.
    cursorFields: ["cursor", "to"],
  });
  const handler = createRoot({
    methods,
    cors,
    dispatcher: createDispatcher(pipeline, codec),
    framed: createFramedDoor(methods.values(), pipeline, codec),
    rest,
    health: options.health,
    pageGate: pipeline.isHooked ? createPageGate(anyOf(methods), pipeline) : undefined,
    pages: createPages({ ...options, development: options.cors.development }),
    openApi: createOpenApiPage(() => openApiJson(methods.values(), options.version)),
    paths: options.paths?.(methods),
    onFailure: options.onFailure,
  });
  const { host, port, tls, maxConnections, maxConnectionsPerAddress, onFailure, sockets } = options;
  const parts = { methods, pipeline, codec, handler, rest, onFailure };
  const upgrade = sockets && createSocketDoor(parts, sockets);
  const limits = { maxConnections, maxConnectionsPerAddress };
  return createListener({ host, port, tls, handler, upgrade, limits, log });
}

/** There is always one: health is served by every port. */
function anyOf(methods: ReadonlyMap<string, Method>): Method {
  const [method] = methods.values();
  return method!;
}
