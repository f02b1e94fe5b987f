import type { Ctx, Ports } from "../../context.js";
import type { Caller, ShownProof } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { sha256 } from "../../kernel/instance-key.js";
import { noteRight, noteWrong } from "./known-proofs.js";
import * as store from "./store-api-keys.js";

const KEY = /^bs_ak_[A-Za-z0-9_-]{43}$/;

/** When a key without an end ends. */
export const NEVER = new Date(8.64e15);

/** How old what is written of a key's last use may be, in milliseconds. */
const USE_EVERY = 60_000;

/** Whether a bearer token is an API key. */
export function isKeyText(text: string): boolean {
  return text.startsWith("bs_ak_");
}

/** Who an API key stands for; answered from memory for a second. Throws INVALID_TOKEN, TOKEN_EXPIRED. */
export function callerOfKey(ports: Ports, text: string): Caller | Promise<Caller> {
  if (!KEY.test(text)) throw new DomainError("INVALID_TOKEN");
  const keyHash = sha256(text);
  const shown = { by: "token", text } as const;
  // Keys of caches may travel: they are what the table has, too.
  const kept = shownKeys(ports).through(keyHash.toString("base64url"), async () => {
    const readAt = performance.now();
    const [key] = await store.findKeyByHash({ db: ports.database }, { keyHash });
    if (key === undefined) noteWrong(ports, shown);
    else if (!hasEnded(key, ports.clock.now())) noteRight(ports, shown);
    return { key, readAt };
  });
  const answer = ({ key, readAt }: Shown) => {
    if (key === undefined) throw new DomainError("INVALID_TOKEN");
    return { ...callerWith(ports, key, shown), readAt };
  };
  return kept instanceof Promise ? kept.then(answer) : answer(kept);
}

/** The key of an id, if whoever it acts for may do anything; from memory for a second unless it has to be `fresh`. */
export async function fetchKey(ports: Ports, id: string, fresh: boolean): Promise<store.ShownKey | undefined> {
  const find = async () => {
    const readAt = performance.now();
    return { key: (await store.findKeyById({ db: ports.database }, { keyId: id }))[0], readAt };
  };
  const { key } = fresh ? await find() : await shownKeys(ports).through(id, find);
  return key;
}

/** Whoever a key acts for, now that what was shown has proved it. Throws TOKEN_EXPIRED. */
export function callerWith(ports: Ports, key: store.ShownKey, shown: ShownProof): Caller {
  const now = ports.clock.now();
  if (hasEnded(key, now)) {
    noteWrong(ports, shown);
    throw new DomainError("TOKEN_EXPIRED", "The API key has expired.");
  }
  noteUse(ports, key, now);
  const { id: apiKeyId, accountId, roles, scopes, expiresAt } = key;
  if (accountId === null) {
    return { kind: "operator", roles: ["admin"], apiKeyId, scopes, expiresAt: expiresAt ?? undefined };
  }
  const account = { kind: "account", via: "api_key", accountId, roles: roles ?? [] } as const;
  return { ...account, apiKeyId, scopes, expiresAt: expiresAt ?? NEVER };
}

function hasEnded({ expiresAt }: store.ShownKey, now: Date): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** Those of some keys that still prove something. */
export async function standingKeys(from: Pick<Ctx, "db">, keyIds: string[]): Promise<Set<string>> {
  return new Set((await store.findStandingKeys(from, { keyIds })).map(({ id }) => id));
}

/** Drops what this and the other nodes remember of API keys. */
export function forgetKeys(ports: Ports): void {
  shownKeys(ports).clear();
}

/** Nobody waits for it, and when it fails the next use is noted. */
function noteUse(ports: Ports, key: store.ShownKey, at: Date): void {
  if (key.lastUsedAt !== null && at.getTime() - key.lastUsedAt.getTime() < USE_EVERY) return;
  // What is remembered is remembered for all calls of this second.
  key.lastUsedAt = at;
  store.touchApiKey({ db: ports.database }, { keyId: key.id, at }).catch((error: Error) => {
    ports.log.debug({ apiKey: key.id, error: error.message }, "the use of an API key was not noted");
  });
}

/** What is shown may be nobody's, and that is kept as well: neither is to be told by its time. */
interface Shown {
  readonly key: store.ShownKey | undefined;
  /** When it was looked up, in milliseconds of `performance.now()`. */
  readonly readAt: number;
}

function shownKeys(ports: Ports) {
  return ports.caches.create<Shown>("backstay.api-keys", { max: 10_000, ttlMs: 1_000 });
}
