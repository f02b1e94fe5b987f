import { createHash, createHmac } from "node:crypto";
import { matchesTopic, TOPIC_FILTER } from "./topic-filter.js";

/** What an app, or the configuration, says of a webhook besides its URL. */
export interface WebhookOptions {
  /** At least 16 characters, or `whsec_` and the base64 of 24 to 64 bytes. */
  readonly secret: string;
  /** Exact (`message.add`) or by prefix (`message.*`); all when left out. */
  readonly types?: readonly string[] | undefined;
  /**
   * By name, by a pattern such as `room/{id}`, or all below one (`account/*`); all when left out, but those of the server itself
   * (`system/*`).
   */
  readonly topics?: readonly string[] | undefined;
  /** Names it over restarts and nodes; made of the URL when left out. */
  readonly id?: string | undefined;
}

/** A webhook. Its secret cannot be read from it. */
export interface Webhook {
  readonly id: string;
  /** May have a secret of its receiver in its path: not for logs and errors. */
  readonly url: string;
  /** Whether it is for such an event. */
  wants(event: { readonly type: string; readonly topic: string }): boolean;
  /** HMAC-SHA-256 under its secret, in base64. */
  sign(text: string): string;
}

/** The webhooks that the app of this process and its configuration have declared. */
export interface DeclaredWebhooks {
  /** Throws when something of it is malformed, or the id is taken. */
  declare(url: string, options: WebhookOptions): void;
  /** Declares one that was made by `toWebhook`. Throws when the id is taken. */
  add(webhook: Webhook): void;
  find(id: string): Webhook | undefined;
  all(): readonly Webhook[];
}

/** An empty list of webhooks. */
export function declaredWebhooks(): DeclaredWebhooks {
  const webhooks = new Map<string, Webhook>();
  const add = (webhook: Webhook) => {
    const { id } = webhook;
    if (webhooks.has(id)) throw new Error(`webhook ${id}: declared already; two of one URL need an id each`);
    webhooks.set(id, webhook);
  };
  return {
    declare: (url, options) => add(toWebhook(url, options)),
    add,
    find: (id) => webhooks.get(id),
    all: () => [...webhooks.values()],
  };
}

const OPTIONS = ["secret", "types", "topics", "id"];
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TYPE_FILTER = /^([a-z][a-z0-9_]{0,31}\.)+(\*|[a-z][a-z0-9_]{0,31})$/;

/** Checks a webhook, also one that was written without types. Throws one clear line, in which neither secret nor URL stand. */
export function toWebhook(url: string, options: WebhookOptions): Webhook {
  const parsed = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
  const refuse = (what: string): never => {
    throw new Error(`webhook${parsed === undefined ? "" : ` to ${parsed.host}`}: ${what}`);
  };
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    return refuse("its URL begins with https:// or http://");
  if (parsed.username !== "" || parsed.password !== "") return refuse("its URL has a user or password: leave them out");
  if (typeof options !== "object" || options === null) return refuse("it needs a secret");
  const unknown = Object.keys(options).find((key) => !OPTIONS.includes(key));
  if (unknown !== undefined) return refuse(`there is no option ${unknown}; there are ${OPTIONS.join(", ")}`);

  const { secret, types, topics, id = createHash("sha256").update(parsed.href).digest("hex").slice(0, 16) } = options;
  if (typeof id !== "string" || !ID.test(id)) return refuse("its id has up to 64 letters, digits, ., - and _");
  const key =
    keyOf(secret) ?? refuse("its secret has at least 16 characters, or is whsec_ and the base64 of 24 to 64 bytes");
  if (!isListOf(types, TYPE_FILTER)) return refuse("types lists names such as message.add or message.*");
  if (!isListOf(topics, TOPIC_FILTER)) return refuse("topics lists names such as room/7, room/{id} or account/*");
  const isOfType = typeFilter(types);
  const isOfTopic = (topic: string) =>
    topics === undefined ? !topic.startsWith("system/") : topics.some((filter) => matchesTopic(filter, topic));
  return {
    id,
    url: parsed.href,
    wants: ({ type, topic }) => isOfType(type) && isOfTopic(topic),
    sign: (text) => createHmac("sha256", key).update(text).digest("base64"),
  };
}

/** The bytes that sign: those that `whsec_` stands before, as Standard Webhooks has it, else the text's own. */
function keyOf(secret: unknown): Buffer | undefined {
  if (typeof secret !== "string") return undefined;
  if (!secret.startsWith("whsec_")) return secret.length >= 16 ? Buffer.from(secret) : undefined;
  const key = Buffer.from(secret.slice(6), "base64");
  const isWhole = key.toString("base64").replace(/=+$/, "") === secret.slice(6).replace(/=+$/, "");
  return isWhole && key.length >= 24 && key.length <= 64 ? key : undefined;
}

/** An empty list would be a webhook that never hears of anything. */
function isListOf(list: readonly string[] | undefined, form: RegExp): boolean {
  if (list === undefined) return true;
  return Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === "string" && form.test(one));
}

function typeFilter(types: readonly string[] | undefined): (type: string) => boolean {
  if (types === undefined) return () => true;
  const exact = new Set(types);
  const prefixes = types.filter((type) => type.endsWith("*")).map((type) => type.slice(0, -1));
  return (type) => exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}
