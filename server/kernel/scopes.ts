import { rpcPattern } from "./access-rules.js";
import type { Caller } from "./caller.js";
import { DomainError } from "./errors.js";
import { isReservedType, shownBy } from "./event-types.js";

/** An RPC as scopes see it. */
export interface ScopedRpc {
  /** `backstay.messages.v1.MessageService/SendMessage`. */
  readonly name: string;
  /** Whether it changes nothing. */
  readonly readOnly: boolean;
}

/** The scope that has to be named for what decides who gets in: `*` and patterns do not cover that. */
const AUTH_WRITE = "auth:write";

const ALL = "*";
const DOMAIN_SCOPE = /^([a-z][a-z0-9_]*):(read|write)$/;
const DOMAIN = /^backstay\.([a-z][a-z0-9_]*)\.v[0-9]+\./;

/** What changes of other domains need `auth:write` besides: they too decide who gets in. */
const ALSO_AUTH: readonly string[] = ["backstay.accounts.v1.AccountService/SetAccountStatus"];

/** What shows more than the domain it is of: all that there is of an account. Reads of that domain alone do not cover it. */
const ALL_DOMAINS: readonly string[] = ["backstay.accounts.v1.AccountService/ExportAccount"];

/** Whether a text is one: `*`, `DOMAIN:read`, `DOMAIN:write`, or a pattern of RPCs such as `MessageService/SendMessage`. */
export function isScope(text: string): boolean {
  return text === ALL || DOMAIN_SCOPE.test(text) || rpcPattern(text) !== undefined;
}

/** Whether a caller with these scopes may whatever his account may, but for what wants `auth:write`; undefined is no key's. */
export function coversAll(scopes: readonly string[] | undefined): boolean {
  return scopes === undefined || scopes.includes(ALL);
}

/** Whether a key with these scopes may be used for an RPC. */
export function covers(scopes: readonly string[], rpc: ScopedRpc): boolean {
  const domain = DOMAIN.exec(rpc.name)?.[1];
  const needsAuth = !rpc.readOnly && (domain === "auth" || ALSO_AUTH.includes(rpc.name));
  if (needsAuth) return scopes.includes(AUTH_WRITE);
  if (ALL_DOMAINS.includes(rpc.name)) return coversAll(scopes);
  return scopes.some((scope) => {
    if (scope === ALL) return true;
    const [, named, what] = DOMAIN_SCOPE.exec(scope) ?? [];
    if (named !== undefined) return named === domain && (what === "read") === rpc.readOnly;
    return rpcPattern(scope)?.matches(rpc.name) ?? false;
  });
}

/** The least scope by which a key may be used for an RPC, patterns aside. */
export function scopeOf(rpc: ScopedRpc): string {
  const own = `${DOMAIN.exec(rpc.name)?.[1]}:${rpc.readOnly ? "read" : "write"}`;
  return [own, AUTH_WRITE].find((scope) => covers([scope], rpc)) ?? ALL;
}

/**
 * Whether whoever has these scopes may hear of events of a type: what the server says, when he may read the same by the domain it is of.
 * Types of apps are the events' own, and so is whoever came as far as to follow a topic.
 */
export function coversEvent(scopes: readonly string[], type: string): boolean {
  if (!isReservedType(type)) return true;
  const name = shownBy(type);
  return name === undefined ? coversAll(scopes) : covers(scopes, { name, readOnly: true });
}

/** Whether a key with these scopes may make another with that one: nothing comes of it that it could not do itself. */
export function mayGive(scopes: readonly string[], scope: string): boolean {
  return scopes.includes(scope) || (scope !== AUTH_WRITE && scopes.includes(ALL));
}

/**
 * Throws SCOPE_MISSING for an API key without `auth:write`. Fields that decide who gets in want it wherever they stand: by a role, or
 * an address that codes are mailed to, a key would otherwise make itself what it may not be.
 */
export function checkMayLetIn(caller: Caller, field: string): void {
  if (caller.kind === "anonymous" || caller.scopes === undefined || caller.scopes.includes(AUTH_WRITE)) return;
  throw new DomainError("SCOPE_MISSING", `Whoever calls with an API key sets this by its scope ${AUTH_WRITE} alone.`, {
    field,
  });
}
