import { existsSync, readFileSync } from "node:fs";
import type { IdentityProvider } from "../kernel/identity-provider.js";
import { didYouMean } from "../kernel/nearest.js";
import type { Webhook } from "../kernel/webhooks.js";
import { ALIAS_NAMES, type Meaning, readAlias } from "./aliases.js";
import { type CacheLine, cacheLine } from "./caches.js";
import { ConfigError } from "./error.js";
import { readProviders } from "./oidc.js";
import { SETTINGS, type SettingName } from "./table.js";
import { readWebhooks } from "./webhooks.js";

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

/** Reads backstay.config.json, if there is one. Throws ConfigError. */
export function readJsonFile(path: string, env: NodeJS.ProcessEnv): JsonFile {
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

/** Reads etc/config, if there is one. Throws ConfigError. */
export function readLinesFile(path: string): LinesFile {
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
