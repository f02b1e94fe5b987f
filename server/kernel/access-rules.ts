import { didYouMean } from "./nearest.js";

/** What a pattern of RPCs looks like: a service, with or without its package, and a method; `*` is any part of a name. */
const PATTERN = /^[A-Za-z0-9_.*]+\/[A-Za-z0-9_*]+$/;

/** RPCs by their names: `MessageService/SendMessage`, `AccountService/*`, `backstay.jobs.v1.JobService/*`. */
export interface RpcPattern {
  readonly source: string;
  /** Whether it means the RPC of this full name, such as `backstay.messages.v1.MessageService/SendMessage`. */
  matches(name: string): boolean;
}

/** Reads a pattern; undefined when it is malformed. */
export function rpcPattern(source: string): RpcPattern | undefined {
  if (!PATTERN.test(source)) return undefined;
  const [service, method] = source.split("/") as [string, string];
  // Without a package, it is any; so what is no RPC, and has none, is never meant.
  const regexp = service.includes(".")
    ? `^${wildcards(service, "[^/]*")}/${wildcards(method, "[^/]*")}$`
    : `^(?:\\w+\\.)+${wildcards(service, "[^/.]*")}/${wildcards(method, "[^/]*")}$`;
  // reason: of letters, dots and stars alone, in which only the stars mean more than themselves
  const compiled = new RegExp(regexp);
  return { source, matches: (name) => compiled.test(name) };
}

function wildcards(text: string, any: string): string {
  return text.replaceAll(".", "\\.").replace(/\*+/g, any);
}

/** Says that a pattern means no RPC of these names, and which of them was perhaps meant. */
export function noSuchRpc(source: string, names: readonly string[]): string {
  const [service, method] = source.split("/") as [string, string];
  const spelled = service.includes(".") ? names : names.map(withoutPackage);
  const services = [...new Set(spelled.map((name) => name.slice(0, name.indexOf("/"))))];
  // A pattern of methods is like no method, but its service may be like another.
  const bySame = method.includes("*") && !services.includes(service);
  return `no RPC is called ${source}${didYouMean(source, bySame ? services.map((one) => `${one}/${method}`) : spelled)}`;
}

/** An RPC by its service and method alone: `MessageService/SendMessage`. */
export function withoutPackage(name: string): string {
  return name.slice(name.lastIndexOf(".", name.indexOf("/")) + 1);
}

/** What an installation says about who may call what, beyond what the contract says. */
export interface AccessRules {
  /** RPCs that nobody may call. */
  readonly deny: readonly RpcPattern[];
  /** RPCs that only administrators may call. */
  readonly admin: readonly RpcPattern[];
  /** RPCs for accounts that anyone may call. */
  readonly public: readonly RpcPattern[];
}

/** Of an installation that says nothing. */
export const NO_RULES: AccessRules = { deny: [], admin: [], public: [] };

/** Whether one of some patterns means an RPC. */
export function means(patterns: readonly RpcPattern[], name: string): boolean {
  return patterns.some((pattern) => pattern.matches(name));
}
