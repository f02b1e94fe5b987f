import { hash } from "node:crypto";
import type { Ctx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { callerOfKey, forgetKeys, isKeyText } from "./api-key-callers.js";
import { noteRight, noteWrong } from "./known-proofs.js";
import { noteSeen } from "./seen.js";
import * as store from "./store.js";
import { tokenHash } from "./tokens.js";

type AccountCaller = Extract<Caller, { kind: "account" }>;

/** Who a bearer token or API key stands for; asked at every call, answered from memory for a second. */
export function callerOfToken(ports: Ports, token: string): Caller | Promise<Caller> {
  if (isKeyText(token)) return callerOfKey(ports, token);
  return living(ports, token, "token");
}

/** Who a session cookie stands for; the same. */
export function callerOfCookie(ports: Ports, value: string): Caller | Promise<Caller> {
  return living(ports, value, "cookie");
}

/** Drops what this and the other nodes remember of callers. */
export function forgetCallers(ports: Ports): void {
  // All of them: which tokens were revoked is known only to whoever was first to delete them, and another who asks for the same
  // is told that it is done as well. It is a second's worth.
  callerRows(ports).clear();
  forgetKeys(ports);
}

function knownCaller(ports: Ports, text: string, via: "token" | "cookie"): AccountCaller | Promise<AccountCaller> {
  // Keys of caches may travel: they are what the table has, too.
  const key = hash("sha256", text, "base64url");
  return callerRows(ports).read(ports, key, (source) => findCaller(ports, source, text, via));
}

async function findCaller(
  ports: Ports,
  source: Pick<Ctx, "db">,
  text: string,
  via: "token" | "cookie",
): Promise<AccountCaller> {
  // Before the look: what is found may be as old.
  const readAt = performance.now();
  const kind = via === "token" ? "access" : "cookie";
  const stored = tokenHash(kind, text);
  const [grant] = stored === undefined ? [] : await store.findCaller(source, { hash: stored, kind });
  const shown = { by: via, text };
  if (grant === undefined) {
    noteWrong(ports, shown);
    throw new DomainError("INVALID_TOKEN");
  }
  const { seenAt, ...caller } = grant;
  if (!hasEnded(ports, caller)) noteRight(ports, shown);
  noteSeen(ports, caller.familyId, seenAt);
  return { kind: "account", via, readAt, ...caller };
}

function living(ports: Ports, text: string, via: "token" | "cookie"): Caller | Promise<Caller> {
  const known = knownCaller(ports, text, via);
  const stillLiving = (caller: AccountCaller) => {
    if (!hasEnded(ports, caller)) return caller;
    noteWrong(ports, { by: via, text });
    throw new DomainError("TOKEN_EXPIRED");
  };
  return known instanceof Promise ? known.then(stillLiving) : stillLiving(known);
}

function hasEnded(ports: Ports, { expiresAt }: Pick<AccountCaller, "expiresAt">): boolean {
  return expiresAt.getTime() <= ports.clock.now().getTime();
}

/** As promised, never more than a second old, whatever carries notices. */
function callerRows(ports: Ports) {
  return ports.caches.rows<AccountCaller>("grants", { max: 50_000, ttlMs: 1_000 });
}
