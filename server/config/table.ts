import { z } from "zod";
import {
  connectionTypes,
  databaseUrl,
  duration,
  flag,
  itemsOf,
  mailSender,
  natsUrls,
  networks,
  origins,
  paths,
  publicUrl,
  roles,
  rpcs,
  shownName,
  smtpUrl,
  tables,
  whole,
} from "./values.js";

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
    type: shownName,
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
  "cors.origins": { type: origins, default: "", says: "Origins that pages may call from, by comma" },
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
    type: mailSender,
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

/** A setting: the type of its text, what it is when nobody says, and its sentence in docs/config.md. */
export interface Setting {
  type: z.ZodType;
  default: string;
  development?: string;
  says: string;
}

/** The name of a setting, as files have it. */
export type SettingName = keyof typeof SETTINGS;
