import { join, resolve } from "node:path";
import type { z } from "zod";
import packageJson from "../package.json" with { type: "json" };
import { readCaches } from "./config/caches.js";
import { ConfigError } from "./config/error.js";
import { readJsonFile, readLinesFile } from "./config/files.js";
import { SETTINGS, type Setting, type SettingName } from "./config/table.js";
import type { IdentityProvider } from "./kernel/identity-provider.js";
import type { NamedCache } from "./kernel/named-cache.js";
import type { Webhook } from "./kernel/webhooks.js";
import type { Settings } from "./settings.js";

export { ConfigError } from "./config/error.js";
export { SETTINGS, type SettingName } from "./config/table.js";

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

function first(candidates: [string, string | undefined][]): [string, string] {
  return candidates.find((candidate): candidate is [string, string] => candidate[1] !== undefined)!;
}
