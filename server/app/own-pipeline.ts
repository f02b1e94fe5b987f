import type { Config } from "../config.js";
import type { Ports } from "../context.js";
import { sameBytes, sha256 } from "../kernel/instance-key.js";
import type { Authenticator } from "../manifest.js";
import { allowedOrigins } from "../rpc/origins.js";
import { createPipeline, type Pipeline } from "../rpc/pipeline.js";
import { rateLimiter, unlimited } from "../rpc/rate.js";
import { remoteBehind } from "../rpc/remote-address.js";
import type { Serving } from "./access.js";
import { pageOrigins } from "./page-origins.js";

/** The pipeline of this installation, and what ends it. */
export function ownPipeline(
  config: Config,
  ports: Ports,
  { adminToken, authenticator, serving }: { adminToken: string; authenticator: Authenticator; serving: Serving },
): { pipeline: Pipeline; stop: () => Promise<void> | void } {
  const limits = {
    reads: config["limits.reads_per_minute"],
    writes: config["limits.writes_per_minute"],
    secrets: config["limits.secrets_per_minute"],
    streams: config["limits.streams_per_minute"],
  };
  const rates = config["limits.rate"] ? rateLimiter({ bus: ports.bus, key: ports.key, limits }) : unlimited;
  const pipeline = createPipeline(ports, {
    authenticate: withOperator(adminToken, authenticator),
    isAllowedOrigin: allowedOrigins(pageOrigins(config)).isAllowed,
    messageBytes: config["limits.message_bytes"],
    rates,
    remoteOf: remoteBehind(config["limits.trusted_proxies"]),
    hooks: serving.hooks,
  });
  return { pipeline, stop: () => rates.stop() };
}

/** The installation's own command line is known by its token; everyone else by theirs. */
function withOperator(adminToken: string, authenticator: Authenticator): Authenticator {
  const operator = { kind: "operator", roles: ["admin"] } as const;
  const hash = sha256(adminToken);
  const isOperator = (token: string) => token.startsWith("bs_op_") && sameBytes(sha256(token), hash);
  return {
    ...authenticator,
    token: (ports, token) => (isOperator(token) ? operator : authenticator.token(ports, token)),
    isKnown: (ports, shown) => (shown.by === "token" && isOperator(shown.text)) || authenticator.isKnown(ports, shown),
  };
}
