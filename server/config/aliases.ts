/** A name of the predecessor's configuration that means a setting of ours. */
interface Alias {
  readonly setting: string;
  /** Spells the value as ours; it is the same when left out. */
  readonly convert?: (text: string) => string;
}

/** The predecessor gave times in milliseconds, without a unit. */
const milliseconds = (text: string) => (/^\d+$/.test(text) ? `${text}ms` : text);
const yesOrNo = (text: string) => ({ "1": "on", "0": "off" })[text] ?? text;
/** What was a list by comma there, and has a line for each here. */
const lines = (text: string) => text.replaceAll(",", "\n");
const lowerCase = (text: string) => text.toLowerCase();

/** Groups of endpoints the predecessor could switch off, and the domains they are of. */
const GROUPS: Readonly<Record<string, string>> = {
  account: "accounts",
  connection: "connections",
  counter: "counters",
  icon: "images",
  image: "images",
  location: "locations",
  message: "messages",
};

const domains = (text: string) =>
  text
    .split(",")
    .map((group) => GROUPS[group.trim()] ?? group.trim())
    .join(",");

/** Every name that is taken, and what it means. */
const ALIASES: Readonly<Record<string, Alias>> = {
  "api-allow-path": { setting: "compat.allow_path" },
  "api-disallow-path": { setting: "compat.disallow_path" },
  "api-deny-path": { setting: "compat.deny_path" },
  "api-allow-admin": { setting: "compat.allow_admin" },
  "api-disable-session": { setting: "compat.disable_session", convert: lines },
  "disable-session": { setting: "compat.disable_session", convert: lines },
  "api-disable": { setting: "access.disable", convert: domains },
  "api-signature-name": { setting: "auth.signature_name", convert: lowerCase },
  "subscribe-interval": { setting: "events.poll_interval", convert: milliseconds },
  "subscribe-timeout": { setting: "events.poll_timeout", convert: milliseconds },
  "api-subscribe-interval": { setting: "events.poll_interval", convert: milliseconds },
  "api-subscribe-timeout": { setting: "events.poll_timeout", convert: milliseconds },
  "cache-sync": { setting: "cache.sync", convert: yesOrNo },
  "jobs-workers": { setting: "jobs.workers" },
  "db-pgsql-pool": { setting: "database.url" },
  debug: { setting: "log.level", convert: (text) => ({ "1": "debug", "0": "info" })[text] ?? text },
};

/** Names of the predecessor's that files may use for settings of ours. */
export const ALIAS_NAMES: readonly string[] = Object.keys(ALIASES);

const PGSQL = "the only engine is pgsql, by the setting database.url (or db-pgsql-pool)";
const CACHES = "caches are local, and nodes tell each other of changes by the setting nats.url";

/** What the predecessor could be set to and this server cannot, with what there is instead. */
const GONE: readonly (readonly [name: RegExp, instead: string])[] = [
  [/^db-([a-z0-9_]+-)?pool$/, PGSQL],
  [/^((msg|lru)-(host|type)|redis-host)$/, "nodes are joined by NATS alone, by the setting nats.url"],
  [/^(cache-host|cache-type|memcache-host)$/, CACHES],
  [/^api-ws-port$/, "WebSockets are opened at the port itself, by the setting events.ws_path"],
];

/** What a line of the predecessor's means here. */
export type Meaning =
  | { readonly setting: string; readonly text: string }
  /** It says what is so anyway. */
  | { readonly setting: undefined }
  /** There is no such thing any more; what there is instead. */
  | { readonly instead: string };

/** What a name of the predecessor's and its value mean; undefined when it had no such name. */
export function readAlias(name: string, text: string): Meaning | undefined {
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
  if (alias !== undefined) return { setting: alias.setting, text: alias.convert?.(text) ?? text };
  if (name === "db-pool" && text === "pgsql") return { setting: undefined };
  // A cache of ours may be called so, and has a URL.
  if (name.startsWith("cache-") && text.includes(":")) return undefined;
  const instead = GONE.find(([gone]) => gone.test(name))?.[1];
  return instead === undefined ? undefined : { instead };
}
