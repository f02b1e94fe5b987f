import { Access } from "#gen/backstay/options/v1/options_pb.js";
import type { Pattern } from "../kernel/pattern.js";
import type { Method } from "../rpc/methods.js";

/** What an installation says about paths, by patterns that are found anywhere in a path as it was sent. */
export interface PathRules {
  /** Paths that nobody may call. */
  readonly deny: PathPatterns;
  /** Paths that only administrators may call. */
  readonly admin: PathPatterns;
  /** Paths that only the signed-in may call, though anyone could. */
  readonly disallow: PathPatterns;
  /** Paths of accounts that anyone may call. */
  readonly allow: PathPatterns;
}

/** Patterns that are found anywhere in a path. */
export type PathPatterns = readonly Pick<Pattern, "test">[];

/** A method as it may be called at a path. */
export type MethodAt = (method: Method, path: string) => Method;

/**
 * What the rules make of the access of a method at a path: deny before admin, that before disallow, that before allow. They never
 * open what is for administrators, nor what the rules by RPC have closed.
 */
export function methodsAt(rules: PathRules): MethodAt {
  // An installation without rules pays nothing for them.
  if (Object.values(rules).every((patterns) => patterns.length === 0)) return (method) => method;
  return (method, path) => {
    const isIn = (patterns: PathPatterns) => patterns.some((pattern) => pattern.test(path));
    const denied = method.denied || isIn(rules.deny);
    const { access } = method;
    const closed = { ...method, denied, ignoresBadProof: false };
    if (isIn(rules.admin)) return { ...closed, access: Access.ADMIN };
    if (isIn(rules.disallow)) return { ...closed, access: access === Access.PUBLIC ? Access.ACCOUNT : access };
    const opened = access === Access.ACCOUNT && isIn(rules.allow);
    return { ...method, denied, access: opened ? Access.PUBLIC : access };
  };
}
