import { BlockList, isIP } from "node:net";
import { z } from "zod";
import { type RpcPattern, rpcPattern } from "../kernel/access-rules.js";
import { CACHED_TABLES, type CachedTable } from "../kernel/cached-tables.js";
import { milliseconds } from "../kernel/duration.js";
import { isMailSender } from "../kernel/mail-address.js";
import { didYouMean } from "../kernel/nearest.js";
import { isOneLine } from "../kernel/one-line.js";
import { compileTrusted, type Pattern } from "../kernel/pattern.js";

/** A duration within bounds, which are written as durations themselves. */
export function duration(least: string, most: string) {
  return z.string().transform((text, context) => {
    const ms = milliseconds(text);
    if (ms !== undefined && ms >= milliseconds(least)! && ms <= milliseconds(most)!) return ms;
    context.addIssue(`must be a duration such as 5s, 10m or 14d, from ${least} to ${most}`);
    return z.NEVER;
  });
}

export const databaseUrl = z.string().refine((text) => text === "" || isDatabaseUrl(text), {
  error: "must be a URL such as postgres://user@host:5432/database",
});

function isDatabaseUrl(text: string): boolean {
  return URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol) && new URL(text).host !== "";
}

export const natsUrls = z.string().refine((text) => text === "" || text.split(",").every(isNatsUrl), {
  error: "must be a URL such as nats://host:4222, or several by comma",
});

function isNatsUrl(text: string): boolean {
  return URL.canParse(text) && /^(nats|tls):$/.test(new URL(text).protocol) && new URL(text).host !== "";
}

export const publicUrl = z.string().refine((text) => text === "" || isOrigin(text), {
  error: "must be an origin such as https://api.example.com, without a path",
});

/** A `*` is a letter like others to a URL, and never stands in a name that somebody reached. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text) || text.includes("*")) return false;
  return /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;
}

export const smtpUrl = z.string().refine((text) => text === "" || isSmtpUrl(text), {
  error: "must be a URL such as smtps://user:password@host:465",
});

function isSmtpUrl(text: string): boolean {
  return URL.canParse(text) && /^smtps?:$/.test(new URL(text).protocol) && new URL(text).host !== "";
}

const MOST_SENDER = 320;
export const mailSender = z
  .string()
  .trim()
  .refine((text) => text.length <= MOST_SENDER && isMailSender(text), {
    error: "must be one address, such as no-reply@example.com or Name <no-reply@example.com>",
  });

const MOST_NAME = 64;
export const shownName = z
  .string()
  .refine((text) => text.trim() !== "" && text.length <= MOST_NAME && isOneLine(text), {
    error: `must be one line of 1 to ${MOST_NAME} characters`,
  });

export const origins = z.string().superRefine((text, context) => {
  const wrong = text
    .split(",")
    .map((origin) => origin.trim())
    .find((origin) => origin !== "" && !isPageOrigin(origin));
  if (wrong === undefined) return;
  context.addIssue(`must be origins such as https://app.example.com by comma: ${wrong} is none`);
});

/** Whether a page can call itself so, letter by letter. Apps have schemes of their own, such as `capacitor`. */
function isPageOrigin(text: string): boolean {
  return /^https?:/.test(text) ? isOrigin(text) : /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._-]+(:\d{1,5})?$/.test(text);
}

export const flag = z.enum(["true", "false", "on", "off"]).transform((text) => text === "true" || text === "on");
export const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const ROLES = ["api", "relay", "jobs", "cron"] as const;
export const roles = z.string().transform((text, context): ReadonlySet<Role> => {
  const named = text.split(",").map((role) => role.trim());
  if (named.every((role): role is Role => (ROLES as readonly string[]).includes(role))) return new Set(named);
  context.addIssue(`must be some of ${ROLES.join(",")}`);
  return z.NEVER;
});

export const tables = z.string().transform((text, context): readonly CachedTable[] => {
  const named = text === "" ? [] : text.split(",").map((table) => table.trim());
  const isKnown = (table: string): table is CachedTable => (CACHED_TABLES as readonly string[]).includes(table);
  const unknown = named.find((table) => !isKnown(table));
  if (unknown === undefined) return named.filter(isKnown);
  const like = didYouMean(unknown, CACHED_TABLES);
  context.addIssue(`must be names of tables by comma: there is no table ${unknown} to cache${like}`);
  return z.NEVER;
});

const CONNECTION_TYPE = /^[a-z][a-z0-9_]{0,31}$/;
export const connectionTypes = z.string().transform((text, context): readonly string[] | "any" => {
  if (text.trim() === "*") return "any";
  const named = text === "" ? [] : text.split(",").map((type) => type.trim());
  if (named.every((type) => CONNECTION_TYPE.test(type))) return named;
  context.addIssue("must be names of small letters, digits and underscores by comma, or *");
  return z.NEVER;
});

export const networks = z.string().transform((text, context): BlockList => {
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
export const itemsOf = (text: string) =>
  text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== "");

export const rpcs = z.string().transform((text, context): readonly RpcPattern[] =>
  itemsOf(text).flatMap((item) => {
    const pattern = rpcPattern(item);
    if (pattern !== undefined) return [pattern];
    context.addIssue(`must be RPCs by comma, such as MessageService/SendMessage or AccountService/*: ${item} is none`);
    return [];
  }),
);

export const paths = z.string().transform((text, context): readonly Pick<Pattern, "test">[] =>
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

/** What a process may do. */
export type Role = (typeof ROLES)[number];
