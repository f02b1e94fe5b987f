import type { Ctx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { isSecretKept } from "../accounts/index.js";
import * as store from "./store.js";
import { tokenHash } from "./tokens.js";

type AccountCaller = Extract<Caller, { kind: "account" }>;

/** Who a bearer token stands for; asked at every call, answered from memory for a second. */
export function callerOfToken(ports: Ports, token: string): Caller | Promise<Caller> {
  return living(
    ports,
    callerCache(ports).through(token, () => findCaller(ports, token, "token")),
  );
}

/** Who a session cookie stands for; the same. */
export function callerOfCookie(ports: Ports, value: string): Caller | Promise<Caller> {
  return living(
    ports,
    callerCache(ports).through(value, () => findCaller(ports, value, "cookie")),
  );
}

/** Whether what is behind a call still stands: the sign-in of a token or cookie, the secret of a signature. */
export async function isSignedIn(ctx: Ctx): Promise<boolean> {
  if (ctx.caller.kind !== "account") return true;
  const { accountId, familyId, secretMark } = ctx.caller;
  if (secretMark !== undefined) return isSecretKept(ctx, { accountId, secretMark });
  return familyId !== undefined && (await store.findFamily(ctx, { familyId })).length > 0;
}

/** Drops what this and the other nodes remember of callers. */
export function forgetCallers(ports: Ports): void {
  // Tokens are not sent over the bus, so every node drops all it remembers: a second's worth.
  callerCache(ports).clear();
}

async function findCaller(ports: Ports, text: string, via: "token" | "cookie"): Promise<AccountCaller> {
  const kind = via === "token" ? "access" : "cookie";
  const hash = tokenHash(kind, text);
  const [grant] = hash === undefined ? [] : await store.findCaller({ db: ports.database }, { hash, kind });
  if (grant === undefined) throw new DomainError("INVALID_TOKEN");
  return { kind: "account", via, ...grant };
}

function living(ports: Ports, known: AccountCaller | Promise<AccountCaller>): Caller | Promise<Caller> {
  if (known instanceof Promise) return known.then((caller) => stillLiving(ports, caller));
  return stillLiving(ports, known);
}

function stillLiving(ports: Ports, caller: AccountCaller): Caller {
  if (caller.expiresAt.getTime() <= ports.clock.now().getTime()) throw new DomainError("TOKEN_EXPIRED");
  return caller;
}

function callerCache(ports: Ports) {
  return ports.caches.create<AccountCaller>("access", { max: 50_000, ttlMs: 1_000 });
}
