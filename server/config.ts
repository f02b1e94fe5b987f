import { existsSync, readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { join, resolve } from "node:path";
import { z } from "zod";
import packageJson from "../package.json" with { type: "json" };
import { ALIAS_NAMES, type Meaning, readAlias } from "./config-aliases.js";
import { type CacheLine, cacheLine, readCaches } from "./config-caches.js";
import { readProviders } from "./config-oidc.js";
import { readWebhooks } from "./config-webhooks.js";
import { type RpcPattern, rpcPattern } from "./kernel/access-rules.js";
import { CACHED_TABLES, type CachedTable } from "./kernel/cached-tables.js";
import { milliseconds } from "./kernel/duration.js";
import type { IdentityProvider } from "./kernel/identity-provider.js";
import type { NamedCache } from "./kernel/named-cache.js";
import { didYouMean } from "./kernel/nearest.js";
import { compileTrusted, type Pattern } from "./kernel/pattern.js";
import type { Webhook } from "./kernel/webhooks.js";
import type { Settings } from "./settings.js";

/** A duration within bounds, which are written as durations themselves. */
function duration(least: string, most: string) {
  return z.string().transform((text, context) => {
    const ms = milliseconds(text);
    if (ms !== undefined && ms >= milliseconds(least)! && ms <= milliseconds(most)!) return ms;
    context.addIssue(`must be a duration such as 5s, 10m or 14d, from ${least} to ${most}`);
    return z.NEVER;
  });
}

const databaseUrl = z.string().refine((text) => text === "" || isDatabaseUrl(text), {
  error: "must be a URL such as postgres://user@host:5432/database",
});

function isDatabaseUrl(text: string): boolean {
  return URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol) && new URL(text).host !== "";
}

const natsUrls = z.string().refine((text) => text === "" || text.split(",").every(isNatsUrl), {
  error: "must be a URL such as nats://host:4222, or several by comma",
});

function isNatsUrl(text: string): boolean {
  return URL.canParse(text) && /^(nats|tls):$/.test(new URL(text).protocol) && new URL(text).host !== "";
}

const publicUrl = z.string().refine((text) => text === "" || isOrigin(text), {
  error: "must be an origin such as https://api.example.com, without a path",
});

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;
}

const smtpUrl = z.string().refine((text) => text === "" || isSmtpUrl(text), {
  error: "must be a URL such as smtps://user:password@host:465",
});

function isSmtpUrl(text: string): boolean {
  return URL.canParse(text) && /^smtps?:$/.test(new URL(text).protocol) && new URL(text).host !== "";
}

const flag = z.enum(["true", "false", "on", "off"]).transform((text) => text === "true" || text === "on");
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const ROLES = ["api", "relay", "jobs", "cron"] as const;
const roles = z.string().transform((text, context): ReadonlySet<Role> => {
  const named = text.split(",").map((role) => role.trim());
  if (named.every((role): role is Role => (ROLES as readonly string[]).includes(role))) return new Set(named);
  context.addIssue(`must be some of ${ROLES.join(",")}`);
  return z.NEVER;
});

const tables = z.string().transform((text, context): readonly CachedTable[] => {
  const named = text === "" ? [] : text.split(",").map((table) => table.trim());
  const isKnown = (table: string): table is CachedTable => (CACHED_TABLES as readonly string[]).includes(table);
  const unknown = named.find((table) => !isKnown(table));
  if (unknown === undefined) return named.filter(isKnown);
  const like = didYouMean(unknown, CACHED_TABLES);
  context.addIssue(`must be names of tables by comma: there is no table ${unknown} to cache${like}`);
  return z.NEVER;
});

const CONNECTION_TYPE = /^[a-z][a-z0-9_]{0,31}$/;
const connectionTypes = z.string().transform((text, context): readonly string[] | "any" => {
  if (text.trim() === "*") return "any";
  const named = text === "" ? [] : text.split(",").map((type) => type.trim());
  if (named.every((type) => CONNECTION_TYPE.test(type))) return named;
  context.addIssue("must be names of small letters, digits and underscores by comma, or *");
  return z.NEVER;
});

const networks = z.string().transform((text, context): BlockList => {
  const list = new BlockList();
  for (const network of text === "" ? [] : text.split(",").map((part) => part.trim())) {
    const [, address = network, bits] = /^(.*)\/(\d{1,3})$/.exec(network) ?? [];
    const [version, most] = isIP(address) === 6 ? (["ipv6", 128] as const) : (["ipv4", 32] as const);
    const prefix = Number(bits ?? most);
    if (isIP(address) === 0 || address.includes("%") || prefix > most) {
      context.addIssue(`must be addresses and networks such as 10.0.0.0/8 by comma: ${network} is neither`);
      return z.NEVER;
    }
    list.addSubnet(address, prefix, version);
  }
  return list;
});

/** The items of a list, by comma or by the lines that each said some of it. */
const itemsOf = (text: string) =>
  text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== "");

const rpcs = z.string().transform((text, context): readonly RpcPattern[] =>
  itemsOf(text).flatMap((item) => {
    const pattern = rpcPattern(item);
    if (pattern !== undefined) return [pattern];
    context.addIssue(`must be RPCs by comma, such as MessageService/SendMessage or AccountService/*: ${item} is none`);
    return [];
  }),
);

const paths = z.string().transform((text, context): readonly Pick<Pattern, "test">[] =>
  text
    .split("\n")
    .filter((source) => source !== "")
    .flatMap((source) => {
      try {
        return [compileTrusted(source)];
      } catch (error) {
        context.addIssue(`must be an RE2 regular expression: ${(error as Error).message}`);
        return [];
      }
    }),
);

/** Settings of which every line of a file adds to what those before it say. */
const ADDING: ReadonlySet<string> = new Set([
  "access.public",
  "access.admin",
  "access.deny",
  "access.disable",
  "compat.allow_path",
  "compat.disallow_path",
  "compat.deny_path",
  "compat.allow_admin",
  "compat.disable_session",
]);

/** What a process may do. */
export type Role = (typeof ROLES)[number];

/** Every setting: what it may be, what it is when nobody says (in development when that differs), and what it means. */
export const SETTINGS = {
  host: { type: z.string(), default: "127.0.0.1", says: "Address to listen on" },
  port: { type: whole(0, 65_535), default: "8000", says: "Port to listen on; 0 takes any free one" },
  home: { type: z.string(), default: "./.backstay", says: "Folder of this installation: data, secrets, logs" },
  secret: { type: z.string(), default: "", says: "Instance key, 64 hex digits; by default kept in the home" },
  secret_previous: {
    type: z.string(),
    default: "",
    says: "Instance keys that are accepted besides, by comma, while one takes another's place; by default HOME/etc/secret.previous",
  },
  public_url: {
    type: publicUrl,
    default: "",
    says: "Where people reach this server, such as https://api.example.com; sign-in by passkeys and other providers needs it, but for localhost",
  },
  "app.name": {
    type: z.string().min(1).max(64),
    default: "Backstay",
    says: "What people call this installation: in mails, authenticators and passkey prompts",
  },
  "database.url": { type: databaseUrl, default: "", says: "PostgreSQL 15 or newer; by default an embedded one" },
  "database.pool_size": {
    type: whole(2, 200),
    default: "10",
    says: "Connections for statements; half as many more serve transactions when there are any",
  },
  "database.statement_timeout": { type: duration("1ms", "1h"), default: "5s", says: "How long a statement may run" },
  "database.lock_timeout": {
    type: duration("1ms", "1h"),
    default: "2s",
    says: "How long a statement may wait for a lock",
  },
  "database.acquire_timeout": {
    type: duration("1ms", "1m"),
    default: "2s",
    says: "How long a statement may wait for a connection",
  },
  "nats.url": {
    type: natsUrls,
    default: "",
    says: "NATS servers that carry notices and events between nodes, by comma; by default this process is the only one",
  },
  "nats.prefix": {
    type: z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, "must be lower-case letters, digits, - and _"),
    default: "backstay",
    says: "First word of every NATS subject; installations that share a NATS need one each",
  },
  "nats.stream_bytes": {
    type: whole(1 << 20, 2 ** 50),
    default: "1073741824",
    says: "Most bytes of events that NATS keeps; the oldest go first",
  },
  workers: { type: whole(1, 256), default: "1", says: "Processes that serve the port together (serve only)" },
  roles: {
    type: roles,
    default: "api,relay,jobs,cron",
    says: "What this process does, by comma: api (serves clients), relay (numbers events), jobs (runs them), cron (starts them by the clock)",
  },
  "jobs.queues": {
    type: z.string().regex(/^(\*|[a-z][a-z0-9_-]{0,62}(,[a-z][a-z0-9_-]{0,62})*)$/, "must be * or names by comma"),
    default: "*",
    says: "Queues whose jobs this process takes, by comma; * is all",
  },
  "jobs.concurrency": {
    type: whole(1, 10_000),
    default: "10",
    says: "Jobs that run at once in the server's own process",
  },
  "jobs.workers": {
    type: whole(0, 256),
    default: "0",
    says: "Processes or threads that the app's jobs run in, one job each at a time; 0 runs them in the server's own",
  },
  "jobs.isolation": {
    type: z.enum(["process", "thread"]),
    default: "process",
    says: "What jobs.workers are: child processes or threads",
  },
  "jobs.memory_mb": {
    type: whole(128, 1 << 20),
    default: "512",
    says: "Most MiB a job worker may use before it is ended; a thread's heap only",
  },
  "jobs.timeout": { type: duration("1ms", "1d"), default: "10m", says: "How long an attempt of a job may take" },
  "jobs.lease": {
    type: duration("500ms", "10m"),
    default: "20s",
    says: "How long a worker that says nothing keeps its jobs; it says that it is there four times as often",
  },
  "jobs.stall_limit": {
    type: duration("0s", "1h"),
    default: "15s",
    says: "How long a job may block the server's own process before that is ended, naming the job; 0s is for ever",
  },
  "jobs.retention": {
    type: duration("1s", "3650d"),
    default: "7d",
    says: "How long succeeded and cancelled jobs are kept",
  },
  "jobs.dead_retention": { type: duration("1s", "3650d"), default: "30d", says: "How long dead jobs are kept" },
  "cache.sync": {
    type: flag,
    default: "off",
    says: "Whether a value that is put into a cache is sent to the other nodes too",
  },
  "cache.tables": {
    type: tables,
    default: "accounts,counters,grants",
    says: "Tables whose rows are always read through a cache, by comma",
  },
  "webhooks.allow_private": {
    type: flag,
    default: "off",
    says: "Whether webhooks may lead to addresses of this machine and of private networks",
  },
  "tls.cert": { type: z.string(), default: "", says: "PEM file of the certificate chain; makes the port speak TLS" },
  "tls.key": { type: z.string(), default: "", says: "PEM file of the certificate's key" },
  "log.level": {
    type: z.enum(["debug", "info", "warn", "error", "silent"]),
    default: "info",
    says: "Least level logged",
  },
  "log.file": {
    type: z.string(),
    default: "",
    says: "File to log to; in development HOME/log/backstay.log, else stderr",
  },
  "limits.message_bytes": { type: whole(1024, 1 << 28), default: "1048576", says: "Most bytes of a request message" },
  "limits.connections": { type: whole(1, 1_000_000), default: "10000", says: "Most connections at once" },
  "limits.connections_per_address": {
    type: whole(1, 1_000_000),
    default: "2000",
    says: "Most connections of one IPv4 address or IPv6 /64; behind a proxy all come from one",
  },
  "limits.rate": { type: flag, default: "on", development: "off", says: "Whether calls are counted against budgets" },
  "limits.reads_per_minute": {
    type: whole(1, 1e9),
    default: "6000",
    says: "Calls a minute that read, of one account, or of one address that is not signed in; ten times that of an address in all",
  },
  "limits.writes_per_minute": { type: whole(1, 1e9), default: "1200", says: "The same of calls that change something" },
  "limits.secrets_per_minute": {
    type: whole(1, 1e9),
    default: "30",
    says: "Calls a minute, of one address, that compare or make secrets: sign-ins, new accounts, codes",
  },
  "limits.streams_per_minute": { type: whole(1, 1e9), default: "120", says: "Streams that may be opened a minute" },
  "limits.trusted_proxies": {
    type: networks,
    default: "",
    says: "Addresses and networks (10.0.0.0/8), by comma, of proxies whose X-Forwarded-For is believed",
  },
  "json.unknown_fields": { type: z.enum(["refuse", "ignore"]), default: "refuse", says: "JSON fields nobody knows" },
  "cors.origins": { type: z.string(), default: "", says: "Origins that pages may call from, by comma" },
  "accounts.open_registration": { type: flag, default: "on", says: "Whether anyone may make an account" },
  "auth.secret_min_length": {
    type: whole(1, 256),
    default: "8",
    development: "1",
    says: "Fewest characters of a secret",
  },
  "auth.access_ttl": { type: duration("1ms", "365d"), default: "15m", says: "Life of an access token" },
  "auth.refresh_idle_ttl": {
    type: duration("1ms", "3650d"),
    default: "14d",
    says: "Life of a refresh token that is not used",
  },
  "auth.refresh_max_ttl": { type: duration("1ms", "3650d"), default: "90d", says: "Longest life of one sign-in" },
  "auth.refresh_grace": {
    type: duration("0s", "1h"),
    default: "10s",
    says: "How long a used refresh token answers its child",
  },
  "auth.session_ttl": { type: duration("1ms", "3650d"), default: "14d", says: "Life of a session cookie" },
  "auth.signatures": {
    type: z.enum(["compat", "all", "off"]),
    default: "compat",
    says: "Whose secret is kept sealed for bk-signature: of accounts that ask or come by a compat path; of all; of none",
  },
  "auth.signature_name": {
    type: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, "must be a header name in lower case"),
    default: "bk-signature",
    says: "Header, and query parameter, that carries a signature",
  },
  "auth.signature_sha1": {
    type: flag,
    default: "off",
    says: "Whether signatures of the versions that hash with SHA-1 are taken (1, and 2 of 0.9.3's cookies)",
  },
  "auth.anonymous": {
    type: flag,
    default: "off",
    development: "on",
    says: "Whether anyone may have an account without a login",
  },
  "auth.recent_sign_in": {
    type: duration("0s", "365d"),
    default: "15m",
    says: "How old the sign-in may be that adds a way in, an authenticator or a key; 0s is any",
  },
  "auth.code_ttl": { type: duration("1m", "1d"), default: "15m", says: "Life of a code that is sent by mail" },
  "auth.signature_max_age": {
    type: duration("1s", "365d"),
    default: "10m",
    says: "How far ahead a signature may be valid",
  },
  "access.public": {
    type: rpcs,
    default: "",
    says: "RPCs for accounts that anyone may call, such as AccountService/Get*, by comma",
  },
  "access.admin": { type: rpcs, default: "", says: "RPCs that only administrators may call, by comma" },
  "access.deny": { type: rpcs, default: "", says: "RPCs that nobody may call, by comma; it wins" },
  "access.disable": {
    type: z.string().transform(itemsOf),
    default: "",
    says: "Domains that do not answer at all, such as messages, by comma",
  },
  "compat.allow_path": {
    type: paths,
    default: "",
    says: "RE2 pattern of compat paths that anyone may call; also called api-allow-path",
  },
  "compat.disallow_path": {
    type: paths,
    default: "",
    says: "RE2 pattern of compat paths that only the signed-in may call, though anyone could; also api-disallow-path",
  },
  "compat.deny_path": {
    type: paths,
    default: "",
    says: "RE2 pattern of compat paths that nobody may call; it wins; also api-deny-path",
  },
  "compat.allow_admin": {
    type: paths,
    default: "",
    says: "RE2 pattern of compat paths that only administrators may call; also api-allow-admin",
  },
  "compat.disable_session": {
    type: paths,
    default: "",
    says: "RE2 pattern of compat paths where a session cookie counts for nothing; also api-disable-session",
  },
  "mail.smtp_url": {
    type: smtpUrl,
    default: "",
    says: "Server that mails are sent by; without one they are kept in the development inbox, and in serve not sent",
  },
  "mail.from": {
    type: z.string().max(320),
    default: "Backstay <no-reply@localhost>",
    says: "Sender of mails, such as `Name <address>`",
  },
  "audit.retention": { type: duration("1d", "36500d"), default: "400d", says: "How long the audit log is kept" },
  compat: { type: flag, default: "on", says: "Whether the predecessor's paths, such as /account/get, answer" },
  "compat.secrets_in_query": {
    type: flag,
    default: "off",
    development: "on",
    says: "Whether compat paths take a secret from a URL",
  },
  "grpc.reflection": { type: flag, default: "on", says: "Whether gRPC clients may ask for the schema" },
  "events.heartbeat": {
    type: duration("50ms", "1h"),
    default: "15s",
    says: "Silence after which a stream says it stands",
  },
  "events.stream_ttl": { type: duration("50ms", "7d"), default: "10m", says: "Life of a stream, give or take a fifth" },
  "events.poll_interval": {
    type: duration("0s", "1m"),
    default: "5s",
    says: "How long a poll gathers after its first event",
  },
  "events.poll_timeout": { type: duration("50ms", "1h"), default: "10m", says: "How long a poll waits" },
  "events.retention": { type: duration("1s", "3650d"), default: "7d", says: "How long events are kept" },
  "events.retention_per_topic": { type: whole(1, 10_000_000), default: "10000", says: "Most events kept per topic" },
  "events.presence_grace": {
    type: duration("0s", "10m"),
    default: "10s",
    says: "How long somebody is still there after his last stream or socket was closed",
  },
  "events.ws_path": {
    type: z.string().regex(/^\/[A-Za-z0-9._~/-]{1,100}$/, "must be a path such as /ws"),
    default: "/ws",
    says: "Path of the WebSocket",
  },
  "limits.sockets_per_address": {
    type: whole(1, 1_000_000),
    default: "1000",
    says: "Most WebSockets of one IPv4 address or IPv6 /64",
  },
  "connections.types": {
    type: connectionTypes,
    default: "*",
    says: "Types of connections that are taken besides like, dislike, follow, invite and view, by comma; * is any",
  },
  "history.retention": {
    type: duration("0s", "36500d"),
    default: "0s",
    says: "How long entries of the history are kept; 0s is for good",
  },
  "history.per_account": {
    type: whole(0, 1_000_000_000),
    default: "0",
    says: "Most entries of the history kept of an account, the newest; 0 is no bound",
  },
  "events.streams_per_account": { type: whole(1, 100_000), default: "100", says: "Streams an account may have open" },
} as const satisfies Record<string, Setting>;

interface Setting {
  type: z.ZodType;
  default: string;
  development?: string;
  says: string;
}

export type SettingName = keyof typeof SETTINGS;

type Values = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]["type"]> };

/** The configuration of a process. */
export type Config = Values & {
  readonly development: boolean;
  readonly version: string;
  /** Those of backstay.config.json. */
  readonly webhooks: readonly Webhook[];
  /** The OpenID Connect providers of backstay.config.json. */
  readonly oidc: readonly IdentityProvider[];
  /** By name; always with one called `default`. */
  readonly caches: ReadonlyMap<string, NamedCache>;
  /** Where each setting was said: a flag, a variable, a line of a file, or `default`. */
  readonly sources: Readonly<Record<SettingName, string>>;
};

/** A configuration that cannot be used; its message is one line that names where and what. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The version of this code. */
export const VERSION: string = packageJson.version;

/** The flag of a setting, without dashes in front. */
export function flagOf(name: string): string {
  return name.replace(/[._]/g, "-");
}

/** The environment variable of a setting. */
export function envOf(name: string): string {
  return `BACKSTAY_${name.replace(/\./g, "_").toUpperCase()}`;
}

/** Settings that everybody else names so too. */
const USUAL: Partial<Record<SettingName, string>> = { "database.url": "DATABASE_URL", "nats.url": "NATS_URL" };

export interface Sources {
  flags: Partial<Record<SettingName, string>>;
  env: NodeJS.ProcessEnv;
  cwd: string;
  development: boolean;
}

/** Reads the configuration: flag over environment over file over default. Throws ConfigError. */
export function readConfig({ flags, env, cwd, development }: Sources): Config {
  const fromEnv = (name: SettingName) => env[envOf(name)] ?? env[USUAL[name] ?? ""];
  const { values: json, webhooks, oidc, ...inJson } = readJsonFile(join(cwd, "backstay.config.json"), env);
  const home = resolve(cwd, flags.home ?? fromEnv("home") ?? json.home?.text ?? SETTINGS.home.default);
  const { values: lines, ...inLines } = readLinesFile(join(home, "etc", "config"));
  if (lines.home !== undefined) throw new ConfigError(`${lines.home.where}: the home cannot be set inside of it`);
  const file = { ...json, ...lines };
  const values: Record<string, unknown> = {};
  const sources: Partial<Record<SettingName, string>> = {};
  for (const [name, setting] of Object.entries(SETTINGS) as [SettingName, Setting][]) {
    const [source, text] = first([
      [`--${flagOf(name)}`, flags[name]],
      [envOf(name), fromEnv(name)],
      [file[name]?.where ?? "", file[name]?.text],
      ["default", (development ? setting.development : undefined) ?? setting.default],
    ]);
    const parsed = setting.type.safeParse(text);
    if (!parsed.success) throw new ConfigError(`${source}: ${name} ${parsed.error.issues[0]!.message}`);
    values[name] = parsed.data;
    sources[name] = source;
  }
  const cacheLines = [...inJson.caches, ...inLines.caches];
  const wrong = (where: string, message: string) => new ConfigError(`${where}: ${message}`);
  const caches = readCaches(cacheLines, values["cache.sync"] as boolean, wrong);
  const config = { ...values, home, development, version: VERSION, webhooks, oidc, caches, sources } as Config;
  if (config.secret !== "" && !/^[0-9a-f]{64,}$/i.test(config.secret)) {
    throw new ConfigError(`${envOf("secret")}: must be at least 64 hex digits`);
  }
  if (config.secret_previous !== "") {
    const name = envOf("secret_previous");
    if (config.secret === "") throw new ConfigError(`${name}: is of use only beside ${envOf("secret")}`);
    if (!config.secret_previous.split(",").every((secret) => /^[0-9a-f]{64,}$/i.test(secret))) {
      throw new ConfigError(`${name}: must be at least 64 hex digits, or several such by comma`);
    }
  }
  if ((config["tls.cert"] === "") !== (config["tls.key"] === "")) {
    throw new ConfigError("tls.cert and tls.key are given together or not at all");
  }
  return config;
}

/** The part of the configuration that domains may know. */
export function toSettings(config: Config): Settings {
  return {
    version: config.version,
    development: config.development,
    accounts: { openRegistration: config["accounts.open_registration"] },
    auth: {
      secretMinLength: config["auth.secret_min_length"],
      accessTtl: config["auth.access_ttl"],
      refreshIdleTtl: config["auth.refresh_idle_ttl"],
      refreshMaxTtl: config["auth.refresh_max_ttl"],
      refreshGrace: config["auth.refresh_grace"],
      sessionTtl: config["auth.session_ttl"],
      signatures: config["auth.signatures"],
      signatureName: config["auth.signature_name"],
      signatureMaxAge: config["auth.signature_max_age"],
      signatureSha1: config["auth.signature_sha1"],
      anonymous: config["auth.anonymous"],
      recentSignIn: config["auth.recent_sign_in"],
      codeTtl: config["auth.code_ttl"],
    },
    appName: config["app.name"],
    publicUrl: config.public_url,
    corsOrigins: config["cors.origins"],
    limitRates: config["limits.rate"],
    mailFrom: config["mail.from"],
    auditRetention: config["audit.retention"],
    events: {
      heartbeat: config["events.heartbeat"],
      streamTtl: config["events.stream_ttl"],
      pollInterval: config["events.poll_interval"],
      pollTimeout: config["events.poll_timeout"],
      retention: config["events.retention"],
      retentionPerTopic: config["events.retention_per_topic"],
      streamsPerAccount: config["events.streams_per_account"],
      presenceGrace: config["events.presence_grace"],
    },
    jobs: {
      timeout: config["jobs.timeout"],
      retention: config["jobs.retention"],
      deadRetention: config["jobs.dead_retention"],
    },
    cache: { tables: config["cache.tables"] },
    connections: { types: config["connections.types"] },
    history: { retention: config["history.retention"], perAccount: config["history.per_account"] },
    webhooks: { allowPrivate: config["webhooks.allow_private"] },
  };
}

type FileValues = Record<string, { text: string; where: string }>;

/** What a file says. */
interface LinesFile {
  values: FileValues;
  caches: CacheLine[];
}

interface JsonFile extends LinesFile {
  webhooks: readonly Webhook[];
  oidc: readonly IdentityProvider[];
}

function readJsonFile(path: string, env: NodeJS.ProcessEnv): JsonFile {
  if (!existsSync(path)) return { values: {}, caches: [], webhooks: [], oidc: [] };
  const text = readFileSync(path, "utf8");
  const json = parseObject(text, path);
  const said: LinesFile = { values: {}, caches: [] };
  let webhooks: readonly Webhook[] = [];
  let oidc: readonly IdentityProvider[] = [];
  let read = 0;
  // The keys are met in the order they are written in, so each stands after the one before.
  const lineOf = (key: string) => {
    const quoted = JSON.stringify(key);
    do read = text.indexOf(quoted, read) + quoted.length;
    while (read >= quoted.length && !/^\s*:/.test(text.slice(read)));
    return text.slice(0, read).split("\n").length;
  };
  // Keys that are no settings, but stand before some.
  const pass = (node: unknown) => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (!Array.isArray(node)) lineOf(key);
      pass(value);
    }
  };
  const walk = (node: object, prefix: string) => {
    for (const [key, value] of Object.entries(node)) {
      const name = prefix + key;
      const where = `${path}:${lineOf(key)}`;
      if (name === "webhooks" && Array.isArray(value)) {
        webhooks = readWebhooks(value, (message) => new ConfigError(`${where}: ${message}`));
        pass(value);
      } else if (name === "oidc" && Array.isArray(value)) {
        oidc = readProviders(value, env, (message) => new ConfigError(`${where}: ${message}`));
        pass(value);
      } else if (typeof value === "object" && value !== null) walk(value, `${name}.`);
      else take(said, name, String(value), where);
    }
  };
  walk(json, "");
  return { ...said, webhooks, oidc };
}

function parseObject(text: string, path: string): object {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  } catch {
    throw new ConfigError(`${path}: not valid JSON`);
  }
  throw new ConfigError(`${path}: expected an object of settings`);
}

function readLinesFile(path: string): LinesFile {
  const said: LinesFile = { values: {}, caches: [] };
  if (!existsSync(path)) return said;
  for (const [index, line] of readFileSync(path, "utf8").split(/\r?\n/).entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const where = `${path}:${index + 1}`;
    const at = text.indexOf("=");
    if (at === -1) throw new ConfigError(`${where}: expected name=value`);
    take(said, text.slice(0, at).trim(), text.slice(at + 1).trim(), where);
  }
  return said;
}

function take({ values, caches }: LinesFile, name: string, text: string, where: string): void {
  const meaning = readAlias(name, text);
  const cache = meaning === undefined ? cacheLine(name, text, where) : undefined;
  if (meaning !== undefined) takeAlias(values, name, meaning, where);
  else if (cache !== undefined) caches.push(cache);
  else say(values, known(name, where), text, where);
}

function takeAlias(values: FileValues, name: string, meaning: Meaning, where: string): void {
  if ("instead" in meaning) throw new ConfigError(`${where}: there is no ${name} any more: ${meaning.instead}`);
  if (meaning.setting !== undefined) say(values, known(meaning.setting, where), meaning.text, where);
}

function say(values: FileValues, name: SettingName, text: string, where: string): void {
  const before = ADDING.has(name) ? values[name] : undefined;
  values[name] =
    before === undefined ? { text, where } : { text: `${before.text}\n${text}`, where: `${before.where} and ${where}` };
}

function known(name: string, where: string): SettingName {
  if (name in SETTINGS) return name as SettingName;
  const like = didYouMean(name, [...Object.keys(SETTINGS), ...ALIAS_NAMES]);
  throw new ConfigError(`${where}: there is no setting ${name}${like}`);
}

function first(candidates: [string, string | undefined][]): [string, string] {
  return candidates.find((candidate): candidate is [string, string] => candidate[1] !== undefined)!;
}
