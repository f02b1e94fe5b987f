import { milliseconds } from "../kernel/duration.js";
import type { NamedCache } from "../kernel/named-cache.js";
import { didYouMean } from "../kernel/nearest.js";

/** Where a file says something about a named cache: its URL, or one of its options. */
export interface CacheLine {
  readonly cache: string;
  /** Absent for the URL. */
  readonly option?: string;
  readonly text: string;
  /** File and line. */
  readonly where: string;
}

/** Lines of etc/config. What is a setting's flag is no cache, but a mistaken name of the setting. */
const OPTION_LINE = /^cache-([a-z][a-z0-9_-]{0,62}?)-options-(.+)$/;
const URL_LINE = /^cache-(?!(?:sync|tables)$)([a-z][a-z0-9_-]{0,62})$/;
/** Paths in backstay.config.json. */
const OPTION_PATH = /^caches\.([a-z][a-z0-9_-]{0,62})\.options\.([^.]+)$/;
const URL_PATH = /^caches\.([a-z][a-z0-9_-]{0,62})(?:\.url)?$/;

/** What `name` of a file says of a cache; undefined when it is about something else. */
export function cacheLine(name: string, text: string, where: string): CacheLine | undefined {
  const [, cache, option] = OPTION_LINE.exec(name) ?? OPTION_PATH.exec(name) ?? [];
  if (cache !== undefined && option !== undefined) return { cache, option, text, where };
  const [, named] = URL_LINE.exec(name) ?? URL_PATH.exec(name) ?? [];
  return named === undefined ? undefined : { cache: named, text, where };
}

/** The caches that some lines name, of which a later one wins, and `default`. Throws what `wrong` makes of a message. */
export function readCaches(
  lines: readonly CacheLine[],
  sync: boolean,
  wrong: (where: string, message: string) => Error,
): ReadonlyMap<string, NamedCache> {
  const names = new Set(["default", ...lines.map(({ cache }) => cache)]);
  const caches = new Map<string, NamedCache>();
  for (const name of names) {
    const about = lines.filter(({ cache }) => cache === name);
    const refuse = ({ where }: CacheLine, message: string) => wrong(where, `cache ${name}: ${message}`);
    caches.set(name, readCache(name, about, sync, refuse));
  }
  return caches;
}

type Refuse = (line: CacheLine, message: string) => Error;

function readCache(name: string, about: readonly CacheLine[], sync: boolean, refuse: Refuse): NamedCache {
  const url = about.findLast(({ option }) => option === undefined);
  const given = about.filter(({ option }) => option !== undefined);
  if (url === undefined && name !== "default") throw refuse(given[0]!, "it has options, but no URL");
  const cache: Given = { max: 10_000, ttlMs: undefined, sync };
  for (const line of [...(url === undefined ? [] : optionsOf(url, refuse)), ...given]) {
    const option = line.option!;
    if (!Object.hasOwn(OPTIONS, option)) {
      throw refuse(line, `there is no option ${option}${didYouMean(option, Object.keys(OPTIONS))}`);
    }
    const problem = OPTIONS[option]!(cache, line.text);
    if (problem !== undefined) throw refuse(line, `${line.option} ${problem}`);
  }
  return cache;
}

/** The schemes of drivers. */
const SCHEMES = ["local:"];

/** The options in the query of a URL, each with `bk-` in front of it. A URL may hold a password, so none is ever shown. */
function optionsOf(line: CacheLine, refuse: Refuse): CacheLine[] {
  if (!URL.canParse(line.text)) throw refuse(line, "expected a URL such as local:");
  const { protocol, searchParams } = new URL(line.text);
  if (!SCHEMES.includes(protocol)) {
    throw refuse(line, `there is no driver for ${protocol}; the schemes are ${SCHEMES.join(", ")}`);
  }
  return [...searchParams].map(([key, text]) => {
    if (!key.startsWith("bk-")) throw refuse(line, `there is no parameter ${key}; options are written bk-max`);
    return { ...line, option: key.slice(3), text };
  });
}

type Given = { -readonly [Name in keyof NamedCache]: NamedCache[Name] };

const MOST_TTL_MS = 365 * 86_400_000;

/** Takes the text of an option, or says what it must be. */
type ReadOption = (cache: Given, text: string) => string | undefined;

/** The options of `local:`. */
const OPTIONS: Readonly<Record<string, ReadOption>> = {
  max(cache, text) {
    const max = whole(text, 1, 1_000_000);
    if (max === undefined) return "must be a number of keys from 1 to 1000000";
    cache.max = max;
    return undefined;
  },
  ttl(cache, text) {
    const ms = milliseconds(text) ?? 0;
    if (ms < 1 || ms > MOST_TTL_MS) return "must be a duration such as 5s, 10m or 14d, from 1ms to 365d";
    cache.ttlMs = ms;
    return undefined;
  },
  sync(cache, text) {
    if (!/^(true|false|on|off)$/.test(text)) return "must be true or false";
    cache.sync = text === "true" || text === "on";
    return undefined;
  },
  // For caches that are dialled; this one is not.
  max_attempts: (_, text) => (whole(text, 0, 1_000_000) === undefined ? "must be a number" : undefined),
};

function whole(text: string, min: number, max: number): number | undefined {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return number >= min && number <= max ? number : undefined;
}
