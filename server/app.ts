import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { type CompatOptions, createCompatDoor } from "./compat/door.js";
import { type Config, ConfigError, toSettings, VERSION } from "./config.js";
import type { Ports } from "./context.js";
import { accountsDomain } from "./domains/accounts/index.js";
import { authDomain, offerSetup } from "./domains/auth/index.js";
import { eventsDomain } from "./domains/events/index.js";
import { messagesDomain } from "./domains/messages/index.js";
import { systemDomain } from "./domains/system/index.js";
import { createHealth } from "./http/health.js";
import type { Listener } from "./http/listener/index.js";
import { openApiJson } from "./http/openapi/index.js";
import { createPort } from "./http/port.js";
import { type Clock, systemClock } from "./kernel/clock.js";
import { uuidV7Ids } from "./kernel/ids.js";
import { instanceKey, sameBytes, sha256 } from "./kernel/instance-key.js";
import type { Authenticator, Manifest } from "./manifest.js";
import { memoryBus } from "./platform/bus/memory.js";
import { memoryCaches } from "./platform/cache/memory.js";
import { type EmbeddedPostgres, embeddedPostgres } from "./platform/db/embedded/launcher.js";
import { pruneKeys } from "./platform/db/index.js";
import { checkInstallation } from "./platform/db/installation.js";
import { migrate } from "./platform/db/migrate.js";
import { type PostgresOptions, postgresDatabase } from "./platform/db/postgres.js";
import { relay } from "./platform/events/relay.js";
import { argon2Hasher } from "./platform/hasher/argon2.js";
import { openHome } from "./platform/home.js";
import { createLog, describeError } from "./platform/log.js";
import { methodTable } from "./rpc/methods.js";
import { allowedOrigins } from "./rpc/origins.js";
import { createPipeline } from "./rpc/pipeline.js";

export { HomeTaken, readAdminToken, readRunning } from "./platform/home.js";

/** The domains, leaves first. */
const DOMAINS: readonly Manifest[] = [systemDomain, accountsDomain, authDomain, messagesDomain, eventsDomain];

const PRUNE_EVERY = 5 * 60_000;
const SUPERVISE_EVERY = 500;
const DRAIN_MS = 8_000;

/** What a test may put in place of the real thing. */
export interface Overrides {
  clock?: Clock;
}

/** A running installation, or one that could run. */
export interface App {
  start(): Promise<Started>;
  /** Ends in order: readiness off, streams told to go, calls finished, database closed. May be called twice. */
  stop(): Promise<void>;
}

export interface Started {
  url: string;
  /** What holds the data, in words. */
  database: string;
  /** Applied migrations, in their order. */
  migrated: string[];
  /** A link that makes the first administrator; absent when there is one. */
  setupUrl: string | undefined;
  /** What an operator should be told. */
  notes: string[];
}

/** What a running server answers at `/openapi.json`. */
export function describeApi(): string {
  const services = DOMAINS.flatMap((domain) => domain.services);
  return openApiJson(methodTable(services).values(), VERSION);
}

/** Puts the house together. This is the only place that names implementations. */
export function createApp(config: Config, overrides: Overrides = {}): App {
  const home = openHome(config.home);
  const logFile = config["log.file"] || (config.development ? home.logFile() : "");
  const log = createLog({ level: config["log.level"], ...(logFile && { file: logFile }) });
  const stops: (() => Promise<void> | void)[] = [];
  const draining = new AbortController();
  // Every open stream listens to it.
  setMaxListeners(0, draining.signal);
  let open = false;
  let starting: Promise<Started> | undefined;
  let stopping: Promise<void> | undefined;

  const start = async (): Promise<Started> => {
    home.take();
    stops.push(() => home.release());
    const key = instanceKey(config.secret ? Buffer.from(config.secret, "hex") : home.secret());
    const { target, database: described, notes } = await findDatabase();
    draining.signal.throwIfAborted();
    const migrated = await migrate(target);
    draining.signal.throwIfAborted();

    const database = postgresDatabase({
      target,
      poolSize: config["database.pool_size"],
      statementTimeout: config["database.statement_timeout"],
      lockTimeout: config["database.lock_timeout"],
      acquireTimeout: config["database.acquire_timeout"],
    });
    stops.push(() => database.stop());
    await database.start();
    await checkInstallation({ db: database }, key.fingerprint);

    const bus = memoryBus((error) => log.error(describeError(error), "bus listener failed"));
    const events = relay({ database, bus, log });
    const ports: Ports = {
      database,
      bus,
      events,
      log,
      key,
      clock: overrides.clock ?? systemClock,
      ids: uuidV7Ids(),
      caches: memoryCaches(bus),
      hasher: argon2Hasher(),
      settings: toSettings(config),
      draining: draining.signal,
      erase: async (ctx, accountId) => {
        for (const domain of DOMAINS) await domain.erase?.(ctx, accountId);
      },
    };
    stops.push(async () => {
      await events.stop();
      await bus.stop();
    });
    await bus.start();
    await events.start();
    startPruning(ports);

    draining.signal.throwIfAborted();
    const listener = openPort(ports);
    stops.push(() => listener.drain(DRAIN_MS));
    const address = await listener.start();
    draining.signal.throwIfAborted();
    open = true;
    const url = urlOf(config, address.port);
    home.announce(url);
    const token = await offerSetup(ports);
    log.info({ url, version: config.version }, "ready");
    return { url, database: described, migrated, notes, setupUrl: token && `${url}/setup#${token}` };
  };

  const findDatabase = async (): Promise<{
    target: PostgresOptions["target"];
    database: string;
    notes: string[];
  }> => {
    const url = config["database.url"];
    if (url !== "") return { target: { url }, database: `PostgreSQL at ${new URL(url).host}`, notes: [] };
    const embedded: EmbeddedPostgres = embeddedPostgres({
      home: config.home,
      log: (message, facts = {}) => log.info(facts, message),
    });
    stops.push(() => embedded.stop());
    const { host, port, user, database, dataDir, version, note } = await embedded.start();
    superviseDatabase(embedded);
    const words = `embedded PostgreSQL ${version} in ${dataDir}`;
    return { target: { host, port, user, database }, database: words, notes: note === undefined ? [] : [note] };
  };

  /** Brings a database that died back: until then calls answer `unavailable`. */
  const superviseDatabase = (embedded: EmbeddedPostgres) => {
    const look = () => {
      if (!embedded.isDown()) return;
      log.warn({}, "the embedded PostgreSQL died and is started again");
      embedded.start().catch((error) => log.error(describeError(error), "the embedded PostgreSQL does not start"));
    };
    const timer = setInterval(look, SUPERVISE_EVERY);
    stops.push(() => clearInterval(timer));
  };

  const openPort = (ports: Ports): Listener => {
    const pipeline = createPipeline(ports, {
      authenticate: withOperator(home.adminToken(), authDomain.authenticator!),
      isAllowedOrigin: allowedOrigins(corsOf(config)).isAllowed,
      messageBytes: config["limits.message_bytes"],
      limitRates: config["limits.rate"],
    });
    return createPort({
      host: config.host,
      port: config.port,
      tls: readTls(config),
      services: DOMAINS.flatMap((domain) => domain.services),
      pipeline,
      paths: config.compat ? (methods) => createCompatDoor(methods, pipeline, compatOf(config)) : undefined,
      reflection: config["grpc.reflection"],
      health: createHealth(
        () => open,
        () => ports.database.run("select 1", []),
      ),
      log,
      onFailure: (error) => log.error(describeError(error), "a door failed"),
      cors: corsOf(config),
      signatureName: config["auth.signature_name"],
      version: config.version,
      ignoreUnknownFields: config["json.unknown_fields"] === "ignore",
      maxConnections: config["limits.connections"],
      maxConnectionsPerAddress: config["limits.connections_per_address"],
    });
  };

  const startPruning = (ports: Ports) => {
    const prune = async () => {
      try {
        await pruneKeys({ db: ports.database }, { at: ports.clock.now() });
        for (const domain of DOMAINS) await domain.prune?.(ports);
      } catch (error) {
        log.warn(describeError(error), "pruning failed; it is tried again");
      }
    };
    const timer = setInterval(prune, PRUNE_EVERY);
    timer.unref();
    stops.push(() => clearInterval(timer));
  };

  const endAll = async () => {
    for (let end = stops.pop(); end !== undefined; end = stops.pop()) {
      try {
        await end();
      } catch (error) {
        log.error(describeError(error), "stopping failed");
      }
    }
  };

  const stop = async () => {
    open = false;
    draining.abort(new Error("the server was stopped while it started"));
    await endAll();
    // A start that was under way ends at its next step, and may have begun something more before that.
    await starting?.catch(() => {});
    await endAll();
    log.info({}, "stopped");
    log.flush();
  };

  return {
    async start() {
      try {
        starting = start();
        return await starting;
      } catch (error) {
        await this.stop();
        throw error;
      }
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** The installation's own command line is known by its token; everyone else by theirs. */
function withOperator(adminToken: string, authenticator: Authenticator): Authenticator {
  const operator = { kind: "operator", roles: ["admin"] } as const;
  const hash = sha256(adminToken);
  const isOperator = (token: string) => token.startsWith("bs_op_") && sameBytes(sha256(token), hash);
  return {
    ...authenticator,
    token: (ports, token) => (isOperator(token) ? operator : authenticator.token(ports, token)),
  };
}

function compatOf(config: Config): CompatOptions {
  return {
    secretsInQuery: config["compat.secrets_in_query"],
    sealsSecrets: config["auth.signatures"] !== "off",
  };
}

function corsOf(config: Config): { origins: string; development: boolean } {
  return { origins: config["cors.origins"], development: config.development };
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

function urlOf(config: Config, port: number): string {
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const reachable = host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host;
  return `${config["tls.cert"] === "" ? "http" : "https"}://${reachable}:${port}`;
}
