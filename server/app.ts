import { setMaxListeners } from "node:events";
import { servingOf } from "./app/access.js";
import { eraseAll, exportAll } from "./app/account-data.js";
import { background, declareCrontab } from "./app/background.js";
import { betweenNodes } from "./app/between-nodes.js";
import { type Control, controlOf } from "./app/control.js";
import { allJobs, allWebhooks } from "./app/declared.js";
import { mailWay } from "./app/mail.js";
import { ownKey } from "./app/own-key.js";
import { ownPipeline } from "./app/own-pipeline.js";
import { ownPort } from "./app/own-port.js";
import { providersOf } from "./app/providers.js";
import { signInsOf } from "./app/sign-ins.js";
import { type Config, toSettings, VERSION } from "./config.js";
import type { Ports } from "./context.js";
import { accountsDomain } from "./domains/accounts/index.js";
import { authDomain, offerSetup, resealSoon } from "./domains/auth/index.js";
import { blocksDomain } from "./domains/blocks/index.js";
import { cacheDomain } from "./domains/cache/index.js";
import { connectionsDomain } from "./domains/connections/index.js";
import { countersDomain } from "./domains/counters/index.js";
import { createPresence, eventsDomain } from "./domains/events/index.js";
import { historyDomain } from "./domains/history/index.js";
import { jobsDomain } from "./domains/jobs/index.js";
import { messagesDomain } from "./domains/messages/index.js";
import { systemDomain } from "./domains/system/index.js";
import { webhooksDomain } from "./domains/webhooks/index.js";
import { createGround, type Ground, type GroundWork } from "./ground.js";
import { openApiJson } from "./http/openapi/index.js";
import { type Clock, systemClock } from "./kernel/clock.js";
import { type Counters, declaredCounters } from "./kernel/counters.js";
import { declaredTopics } from "./kernel/declared-topics.js";
import type { DeclaredHooks } from "./kernel/hooks.js";
import { uuidV7Ids } from "./kernel/ids.js";
import type { DeclaredJobs } from "./kernel/jobs.js";
import { isPublicAddress } from "./kernel/private-address.js";
import type { SocketPaths } from "./kernel/sockets.js";
import type { Topics } from "./kernel/topics.js";
import type { DeclaredWebhooks } from "./kernel/webhooks.js";
import type { Manifest } from "./manifest.js";
import { auditLog } from "./platform/audit/audit-log.js";
import { memoryCaches } from "./platform/cache/memory.js";
import { embeddedPostgres } from "./platform/db/embedded/launcher.js";
import { checkInstallation } from "./platform/db/installation.js";
import { postgresDatabase } from "./platform/db/postgres.js";
import { relay } from "./platform/events/relay.js";
import { argon2Hasher } from "./platform/hasher/argon2.js";
import { type Home, openHome } from "./platform/home.js";
import { guardedPost } from "./platform/http-post/guarded-post.js";
import { createSubmit, knowOwnQueues } from "./platform/jobs/submit.js";
import { createLog, describeError, type Log } from "./platform/log.js";
import { methodTable } from "./rpc/methods.js";

export type { Control } from "./app/control.js";
export type { Ground, GroundWork } from "./ground.js";
export { shareNotices } from "./platform/bus/ipc.js";
export { HomeTaken } from "./platform/home.js";

/** The domains, leaves first. */
const DOMAINS: readonly Manifest[] = [
  systemDomain,
  cacheDomain,
  blocksDomain,
  countersDomain,
  accountsDomain,
  authDomain,
  connectionsDomain,
  messagesDomain,
  historyDomain,
  eventsDomain,
  jobsDomain,
  webhooksDomain,
];

const SERVICES = DOMAINS.flatMap((domain) => domain.services);

const DRAIN_MS = 8_000;

/** What the house is made with: an app's declarations, a worker's part, and what a test puts in place of the real thing. */
export interface Overrides {
  clock?: Clock;
  /** What an app has declared. */
  topics?: Topics;
  counters?: Counters;
  sockets?: SocketPaths;
  jobs?: DeclaredJobs;
  webhooks?: DeclaredWebhooks;
  hooks?: DeclaredHooks;
  /** The app's file: job workers run it too. */
  appFile?: string | undefined;
  /** Resolves when the app's code has got the server; jobs begin then. When absent, they begin once it is started. */
  attached?: Promise<void> | undefined;
  /** How often peers of sockets are asked whether they are there, in milliseconds. */
  socketPingMs?: number;
  /** Set in one of several processes that serve together. */
  worker?: WorkerPart;
}

/** One process's part among those of a parent, which holds the home and the database. */
export interface WorkerPart {
  /** From 1 on. */
  number: number;
  ground: Ground;
  /** Whether it makes the link for the first administrator. */
  offersSetup: boolean;
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
  /** What carries notices to other processes, in words. */
  bus: string;
  /** Applied migrations, in their order. */
  migrated: string[];
  /** A link that makes the first administrator; absent when there is one. */
  setupUrl: string | undefined;
  /** What an operator should be told. */
  notes: string[];
  /** What the app's own code may ask. */
  control: Control;
}

/** What a running server answers at `/openapi.json`. */
export function describeApi(): string {
  return openApiJson(methodTable(SERVICES).values(), VERSION);
}

/** The home and the database alone, for a parent whose workers serve. Throws ConfigError for what each of them would end by. */
export function prepareGround(config: Config): GroundWork & { log: Log } {
  servingOf(config, DOMAINS, undefined);
  const home = openHome(config.home);
  const log = logOf(config, home, 0);
  return { ...groundOf(config, home, log), log };
}

/** What several servers of this machine stand on: a home that is taken, its key, and a PostgreSQL they reach by TCP. */
export interface SharedGround {
  databaseUrl: string;
  /** The version of PostgreSQL. */
  version: string;
  /** The instance key, as the setting `secret` takes it, and those it follows, as `secret_previous` does. */
  secret: string;
  secretPrevious: string;
  stop(): Promise<void>;
}

/** Prepares that, for development: every local user gets into the database. Throws HomeTaken. */
export async function shareGround(path: string, port: number): Promise<SharedGround> {
  const home = openHome(path);
  home.take();
  const postgres = embeddedPostgres({ home: path, log: () => {}, listenPort: port });
  const stop = async () => {
    await postgres.stop();
    home.release();
  };
  try {
    const { user, port: listens, database, version } = await postgres.start();
    const databaseUrl = `postgres://${user}@127.0.0.1:${listens}/${database}`;
    const secret = home.secret().toString("hex");
    const secretPrevious = home
      .previousSecrets()
      .map((one) => one.toString("hex"))
      .join(",");
    return { databaseUrl, version, secret, secretPrevious, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Puts the house together. This is the only place that names implementations. Throws ConfigError, or an Error that names the
 * app's hook, for rules about what there is not.
 */
export function createApp(config: Config, overrides: Overrides = {}): App {
  const { worker } = overrides;
  const serving = servingOf(config, DOMAINS, overrides.hooks);
  const home = openHome(config.home);
  const log = logOf(config, home, worker?.number);
  const stops: (() => Promise<void> | void)[] = [];
  const draining = new AbortController();
  // Streams of gRPC's own services listen to it, one by one.
  setMaxListeners(0, draining.signal);
  let open = false;
  let starting: Promise<Started> | undefined;
  let begin = () => {};
  let stopping: Promise<void> | undefined;

  const start = async (): Promise<Started> => {
    const { target, database: described, migrated, notes } = worker?.ground ?? (await layGround());
    draining.signal.throwIfAborted();
    const key = ownKey(config, home, (error) => log.error(describeError(error), "the home's key cannot be read anew"));

    const database = postgresDatabase({
      target,
      poolSize: config["database.pool_size"],
      statementTimeout: config["database.statement_timeout"],
      lockTimeout: config["database.lock_timeout"],
      acquireTimeout: config["database.acquire_timeout"],
    });
    stops.push(() => database.stop());
    await database.start();
    const installation = await checkInstallation({ db: database }, key);

    const between = await betweenNodes(config, installation, worker, log);
    const { bus, carrier, link, queue } = between;
    const events = relay({ database, bus, carrier, log, numbers: config.roles.has("relay") });
    const settings = toSettings(config);
    const [clock, ids] = [overrides.clock ?? systemClock, uuidV7Ids()];
    const grace = settings.events.presenceGrace;
    const presence = createPresence({ database, events, ids, clock, log, grace });
    const audit = auditLog({ database, key, log });
    const declared = allJobs(overrides.jobs, DOMAINS, () => ports);
    declareCrontab(home, declared);
    const ownQueues = await knowOwnQueues({ db: database }, declared);
    const webhooks = allWebhooks(overrides.webhooks, config.webhooks);
    const mail = await mailWay(config, { isFirst: worker?.offersSetup ?? true, log });
    stops.push(() => mail.stop());
    const identityProviders = await providersOf(config, log);
    const ports: Ports = {
      jobs: {
        declared,
        submit: createSubmit({ database, known: ownQueues, declared, ids, offer: queue.offer }),
        offer: queue.offer,
        cancelled: (jobIds) => bus.publish("jobs.cancelled", { ids: jobIds }),
      },
      database,
      bus,
      events,
      log,
      key,
      clock,
      ids,
      caches: memoryCaches({ bus, tables: settings.cache.tables, named: config.caches }),
      hasher: argon2Hasher(),
      audit,
      mailer: mail.mailer,
      identityProviders,
      topics: overrides.topics ?? declaredTopics(),
      counters: overrides.counters ?? declaredCounters(),
      presence,
      webhooks,
      post: guardedPost({ isAllowed: settings.webhooks.allowPrivate ? () => true : isPublicAddress }),
      settings,
      rpcs: [...methodTable(SERVICES).values()],
      draining: draining.signal,
      erase: (ctx, accountId) => eraseAll(DOMAINS, ctx, accountId),
      export: (ctx, accountId) => exportAll(DOMAINS, ctx, accountId),
      signIns: signInsOf(() => ports),
    };
    stops.push(async () => {
      await events.stop();
      await bus.stop();
      await link?.stop();
    });
    await link?.start();
    await bus.start();
    await events.start();
    stops.push(() => presence.stop());
    await presence.start();
    stops.push(() => audit.stop());
    audit.start();

    draining.signal.throwIfAborted();
    const control = controlOf(ports);
    const { appFile } = overrides;
    const work = background(config, { ports, queue, control, target, appFile, worker: worker?.number });
    const { pipeline, stop: stopPipeline } = ownPipeline(config, ports, {
      adminToken: home.adminToken(),
      authenticator: authDomain.authenticator!,
      serving,
    });
    stops.push(stopPipeline);
    const listener = ownPort(config, {
      ports,
      pipeline,
      between,
      mail,
      serving,
      isOpen: () => open,
      sockets: overrides.sockets,
      socketPingMs: overrides.socketPingMs,
    });
    stops.push(() => Promise.all([listener.drain(DRAIN_MS), work.stop()]).then(() => {}));
    await work.start();
    const address = await listener.start();
    draining.signal.throwIfAborted();
    open = true;
    const url = urlOf(config, address.port);
    ground?.announce(url);
    begin = () => void work.begin().catch((error) => log.error(describeError(error), "jobs cannot begin"));
    const token = (worker?.offersSetup ?? true) ? await offerSetup(ports) : undefined;
    await resealSoon(ports);
    log.info({ url, version: config.version }, "ready");
    return {
      url,
      database: described,
      migrated,
      notes,
      setupUrl: token && `${url}/setup#${token}`,
      bus: between.describe(),
      control,
    };
  };

  let ground: GroundWork | undefined;
  const layGround = (): Promise<Ground> => {
    const work = groundOf(config, home, log);
    ground = work;
    stops.push(() => work.stop());
    return work.start();
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
        const started = await starting;
        // A job may ask what `control` answers, and what an app's code sets up when its start is done.
        void Promise.resolve(overrides.attached).then(() => setImmediate(begin));
        return started;
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

function groundOf(config: Config, home: Home, log: Log): GroundWork {
  return createGround(config, home, log, () =>
    embeddedPostgres({ home: config.home, log: (message, facts = {}) => log.info(facts, message) }),
  );
}

function logOf(config: Config, home: Home, worker?: number): Log {
  const file = config["log.file"] || (config.development ? home.logFile() : "");
  return createLog({ level: config["log.level"], ...(file && { file }), ...(worker !== undefined && { worker }) });
}

function urlOf(config: Config, port: number): string {
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const reachable = host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host;
  return `${config["tls.cert"] === "" ? "http" : "https"}://${reachable}:${port}`;
}
