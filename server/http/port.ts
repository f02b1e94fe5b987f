import { createRegistry } from "@bufbuild/protobuf";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type { Served } from "../manifest.js";
import type { Log } from "../platform/log.js";
import { createCodec } from "../rpc/codec.js";
import { createDispatcher } from "../rpc/dispatcher.js";
import { createFramedDoor } from "../rpc/framed.js";
import { methodTable } from "../rpc/methods.js";
import type { Pipeline } from "../rpc/pipeline.js";
import { type Cors, createCors } from "./cors.js";
import type { Health } from "./health.js";
import { createListener, type Listener } from "./listener/index.js";
import { createPages } from "./pages/pages.js";
import { createRestDoor } from "./rest/index.js";
import { createRoot } from "./root.js";

export interface PortOptions {
  host: string;
  port: number;
  tls: { cert: string; key: string } | undefined;
  services: readonly Served[];
  pipeline: Pipeline;
  health: Health;
  log: Log;
  onFailure(error: unknown): void;
  cors: Parameters<typeof createCors>[0];
  version: string;
  ignoreUnknownFields: boolean;
  maxConnections: number;
  maxConnectionsPerAddress: number;
}

/** The one port, with every door behind it. Throws, naming the method, when a service cannot be served. */
export function createPort(options: PortOptions): Listener {
  const { pipeline, ignoreUnknownFields, log } = options;
  const methods = methodTable(options.services);
  const registry = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);
  const codec = createCodec({ ignoreUnknownFields, registry });
  const cors: Cors = createCors(options.cors);
  pipeline.warm(methods.values());
  const handler = createRoot({
    methods,
    cors,
    dispatcher: createDispatcher(pipeline, codec),
    framed: createFramedDoor(methods.values(), pipeline, codec),
    rest: createRestDoor(methods.values(), pipeline, codec, { ignoreUnknownFields }),
    health: options.health,
    pages: createPages({ development: options.cors.development, version: options.version }),
    onFailure: options.onFailure,
  });
  const { host, port, tls, maxConnections, maxConnectionsPerAddress } = options;
  return createListener({ host, port, tls, handler, limits: { maxConnections, maxConnectionsPerAddress }, log });
}
