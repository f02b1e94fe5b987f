import { hash } from "node:crypto";
import type { Ctx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { isSecretKept } from "../accounts/index.js";
import * as store from "./store.js";
import { tokenHash } from "./tokens.js";

type AccountCaller = Extract<Caller, { kind: "account" }>;

/** Who a bearer token stands for; asked at every call, answered from memory for a second. */
export function callerOfToken(ports: Ports, token: string): Caller | Promise<Caller> {
  return living(ports, knownCaller(ports, token, "token"));
}

/** Who a session cookie stands for; the same. */
export function callerOfCookie(ports: Ports, value: string): Caller | Promise<Caller> {
  return living(ports, knownCaller(ports, value, "cookie"));
}

/** Whether what is behind a call still stands: the sign-in of a token or cookie, the secret of a signature. */
export async function isSignedIn(ctx: Pick<Ctx, "caller" | "db">): Promise<boolean> {
  if (ctx.caller.kind !== "account") return true;
  const { accountId, familyId, secretMark } = ctx.caller;
  if (secretMark !== undefined) return isSecretKept(ctx, { accountId, secretMark });
  return familyId !== undefined && (await store.findFamily(ctx, { familyId })).length > 0;
}

/** Who is asked about, and where that is looked up. */
type Asked = Pick<Ctx, "caller" | "database" | "db">;

/** Those of some calls behind which nothing stands any more; of tokens and cookies, however many, in one query. */
export async function signedOut<Call extends Asked>(calls: readonly Call[]): Promise<Set<Call>> {
  const bySignIn = calls.filter(({ caller }) => familyOf(caller) !== undefined);
  const standing = await standingFamilies(bySignIn);
  const gone = new Set(bySignIn.filter(({ caller }) => !standing.has(familyOf(caller)!)));
  const others = calls.filter(({ caller }) => caller.kind === "account" && familyOf(caller) === undefined);
  // Of what cannot be looked up nothing is known.
  const stands = await Promise.all(others.map((call) => isSignedIn(call).catch(() => true)));
  for (const [n, call] of others.entries()) if (!stands[n]) gone.add(call);
  return gone;
}

async function standingFamilies(calls: readonly Asked[]): Promise<Set<string>> {
  const [first] = calls;
  if (first === undefined) return new Set();
  const familyIds = [...new Set(calls.map(({ caller }) => familyOf(caller)!))];
  // By no call's own connection to the database: it ends with its call.
  const found = await store.findFamilies({ db: first.database }, { familyIds });
  return new Set(found.map(({ familyId }) => familyId));
}

function familyOf(caller: Caller): string | undefined {
  return caller.kind === "account" && caller.secretMark === undefined ? caller.familyId : undefined;
}

/** Drops what this and the other nodes remember of callers. */
export function forgetCallers(ports: Ports): void {
  // All of them: which tokens were revoked is known only to whoever was first to delete them, and another who asks for the same
  // is told that it is done as well. It is a second's worth.
  callerRows(ports).clear();
}

function knownCaller(ports: Ports, text: string, via: "token" | "cookie"): AccountCaller | Promise<AccountCaller> {
  // Keys of caches may travel: they are what the table has, too.
  const key = hash("sha256", text, "base64url");
  return callerRows(ports).read(ports, key, (source) => findCaller(source, text, via));
}

async function findCaller(source: Pick<Ctx, "db">, text: string, via: "token" | "cookie"): Promise<AccountCaller> {
  const kind = via === "token" ? "access" : "cookie";
  const stored = tokenHash(kind, text);
  const [grant] = stored === undefined ? [] : await store.findCaller(source, { hash: stored, kind });
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

/** As promised, never more than a second old, whatever carries notices. */
function callerRows(ports: Ports) {
  return ports.caches.rows<AccountCaller>("grants", { max: 50_000, ttlMs: 1_000 });
}
