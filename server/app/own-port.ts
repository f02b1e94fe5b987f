import { readFileSync } from "node:fs";
import { type CompatOptions, createCompatDoor } from "../compat/door.js";
import { type Config, ConfigError } from "../config.js";
import type { Ports } from "../context.js";
import { findFlow } from "../domains/auth/index.js";
import { createHealth, type Missing } from "../http/health.js";
import type { Listener } from "../http/listener/index.js";
import { createOAuthCallback } from "../http/oauth-callback.js";
import { createPort } from "../http/port.js";
import type { MorePaths } from "../http/root.js";
import type { SocketOptions } from "../http/socket/index.js";
import { type SocketPaths, socketPaths } from "../kernel/sockets.js";
import { accountTopic } from "../platform/events/index.js";
import { describeError } from "../platform/log.js";
import type { Method } from "../rpc/methods.js";
import { allowedOrigins } from "../rpc/origins.js";
import type { Pipeline } from "../rpc/pipeline.js";
import type { Serving } from "./access.js";
import type { BetweenNodes } from "./between-nodes.js";
import type { MailWay } from "./mail.js";
import { pageOrigins } from "./page-origins.js";

/** What stands behind the port. */
export interface BehindPort {
  ports: Ports;
  pipeline: Pipeline;
  between: BetweenNodes;
  mail: MailWay;
  serving: Serving;
  /** Whether the server wants calls. */
  isOpen: () => boolean;
  /** The paths of sockets that an app has declared. */
  sockets: SocketPaths | undefined;
  /** How often peers of sockets are asked whether they are there, in milliseconds. */
  socketPingMs: number | undefined;
}

/** The port of this installation, with all its doors. */
export function ownPort(config: Config, behind: BehindPort): Listener {
  const { ports, pipeline, between, mail, serving, isOpen } = behind;
  const isApi = config.roles.has("api");
  return createPort({
    host: config.host,
    port: config.port,
    tls: readTls(config),
    services: isApi ? serving.services : [],
    access: serving.rules,
    pipeline,
    paths: isApi ? (methods) => morePaths(config, methods, behind) : undefined,
    reflection: config["grpc.reflection"],
    health: createHealth(
      isOpen,
      () => ports.database.run("select 1", []),
      () => missingOf(between, ports),
    ),
    log: ports.log,
    inbox: mail.inbox,
    onFailure: (error) => ports.log.error(describeError(error), "a door failed"),
    cors: pageOrigins(config),
    signatureName: config["auth.signature_name"],
    publicUrl: config.public_url,
    version: config.version,
    ignoreUnknownFields: config["json.unknown_fields"] === "ignore",
    maxConnections: config["limits.connections"],
    maxConnectionsPerAddress: config["limits.connections_per_address"],
    sockets: isApi && serving.hasSockets ? socketOptions(config, behind) : undefined,
  });
}

function morePaths(
  config: Config,
  methods: ReadonlyMap<string, Method>,
  { ports, pipeline, serving }: BehindPort,
): MorePaths {
  const returns = createOAuthCallback(methods, pipeline, (provider, state) => findFlow(ports, provider, state));
  const compat = config.compat ? createCompatDoor(methods, pipeline, compatOf(config, serving)) : undefined;
  return { find: (path) => returns.find(path) ?? compat?.find(path) };
}

function socketOptions(config: Config, { ports, sockets, socketPingMs }: BehindPort): SocketOptions {
  return {
    ports,
    path: config["events.ws_path"],
    paths: sockets ?? socketPaths(),
    perAddress: config["limits.sockets_per_address"],
    signatureName: config["auth.signature_name"],
    publicUrl: config.public_url,
    isAllowedOrigin: allowedOrigins(pageOrigins(config)).isAllowed,
    onLoss: ports.signIns.onLoss,
    lossesOf: ports.signIns.lossesOf,
    heartbeat: ports.settings.events.heartbeat,
    signedLife: ports.settings.events.streamTtl,
    enterPresence: (accountId) => ports.presence.enter(accountTopic(accountId), accountId),
    pingMs: socketPingMs,
  };
}

/** What this node is without, while it serves all the same. */
function missingOf(between: BetweenNodes, { events }: Ports): Missing {
  const { outboxMs, uncarriedMs } = events.lag();
  return { away: between.away(), eventLagMs: Math.round(Math.max(outboxMs, uncarriedMs)) };
}

function compatOf(config: Config, { disabled }: Serving): CompatOptions {
  return {
    paths: {
      deny: config["compat.deny_path"],
      admin: config["compat.allow_admin"],
      disallow: config["compat.disallow_path"],
      allow: config["compat.allow_path"],
    },
    sessionless: config["compat.disable_session"],
    disabled,
    signatureName: config["auth.signature_name"],
    publicUrl: config.public_url,
    secretsInQuery: config["compat.secrets_in_query"],
  };
}

function readTls(config: Config): { cert: string; key: string } | undefined {
  if (config["tls.cert"] === "") return undefined;
  const read = (name: "tls.cert" | "tls.key") => {
    try {
      return readFileSync(config[name], "utf8");
    } catch {
      throw new ConfigError(`${name}: cannot read ${config[name]}`);
    }
  };
  return { cert: read("tls.cert"), key: read("tls.key") };
}
