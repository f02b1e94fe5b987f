import { Access } from "#gen/backstay/options/v1/options_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { Health } from "#gen/grpc/health/v1/health_pb.js";
import { type AccessRules, means, noSuchRpc, type RpcPattern } from "../kernel/access-rules.js";
import { isAdmin } from "../kernel/caller.js";
import { DomainError } from "../kernel/errors.js";
import type { Call } from "./call.js";

/** Who may call a method on this installation. */
export interface MethodAccess {
  readonly access: Access;
  /**
   * Whether a token, cookie or signature that is not valid is as none: where the contract itself leaves a method to anyone. What an
   * installation has opened is still called by those who are signed in, and they have to hear that they are not any more.
   */
  readonly ignoresBadProof: boolean;
  /** Whether nobody may, not even administrators. */
  readonly denied: boolean;
}

/** What an installation's rules make of what the contract says of a method. */
export function accessHere(name: string, access: Access, rules: AccessRules): MethodAccess {
  const ignoresBadProof = access === Access.PUBLIC;
  if (isAlwaysAnswered(name)) return { access, ignoresBadProof, denied: false };
  const denied = means(rules.deny, name);
  if (means(rules.admin, name)) return { access: Access.ADMIN, ignoresBadProof: false, denied };
  const isOpened = access === Access.ACCOUNT && means(rules.public, name);
  return { access: isOpened ? Access.PUBLIC : access, ignoresBadProof, denied };
}

/** Whether no rule and no hook is asked about a method: by it others find out that the server is there. */
export function isAlwaysAnswered(name: string): boolean {
  return name === PING || name.startsWith(HEALTH);
}

const PING = `${SystemService.typeName}/${SystemService.method.ping.name}`;
const HEALTH = `${Health.typeName}/`;

/**
 * What is wrong with an installation's rules, of which each must say something of the methods that are served: which of them, and
 * one line; undefined when nothing is.
 */
export function wrongRule(
  rules: AccessRules,
  served: readonly { readonly name: string; readonly access: Access }[],
): { rule: keyof AccessRules; says: string } | undefined {
  const names = served.map(({ name }) => name);
  for (const [kind, patterns] of Object.entries(rules) as [keyof AccessRules, readonly RpcPattern[]][]) {
    for (const { source, matches } of patterns) {
      const meant = served.filter(({ name }) => matches(name));
      if (meant.length === 0) return { rule: kind, says: noSuchRpc(source, names) };
      if (meant.every(({ name }) => isAlwaysAnswered(name)))
        return { rule: kind, says: `${source} is always answered` };
      if (kind === "public" && !meant.some(({ access }) => access === Access.ACCOUNT || access === Access.PUBLIC)) {
        return { rule: kind, says: `${source} is for administrators; only RPCs for accounts can be opened` };
      }
    }
  }
  return undefined;
}

/** Asked before who calls is known. Throws METHOD_DENIED when nobody may call the method. */
export function checkDenied({ method }: Call): void {
  if (method.denied) throw new DomainError("METHOD_DENIED");
}

/** Throws TOKEN_MISSING, ADMIN_REQUIRED when the caller, as far as it is known, may not call the method. */
export function checkAccess({ method, caller, isOpened }: Call): void {
  const { access } = method;
  if (access === Access.PUBLIC || isOpened) return;
  if (caller.kind === "anonymous") throw new DomainError("TOKEN_MISSING");
  if (access !== Access.ACCOUNT && !isAdmin(caller)) throw new DomainError("ADMIN_REQUIRED");
}
