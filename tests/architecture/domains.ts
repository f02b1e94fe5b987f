import type { Finding, Import, Rule, SourceFile } from "./source.js";

type Role = "handler" | "service" | "store" | "schema" | "wire" | "index";

interface Allowance {
  /** Roles of the same domain, as values and types. */
  readonly own: readonly Role[];
  /** Roles of the same domain, as types. */
  readonly ownTypes?: readonly Role[];
  /** Whether it may speak the wire: generated messages, their runtime and the manifest that serves them. */
  readonly gen: boolean;
  readonly sql: boolean;
  readonly platform: readonly string[];
  readonly otherDomains: boolean;
  readonly why: string;
}

const DB = "server/platform/db/index.ts";
const MANIFEST = "server/manifest.ts";
const EVENTS = "server/platform/events/index.ts";
const QUEUE = "server/platform/queue/index.ts";

/** handler -> service -> store -> schema. A file of any other name (events.ts, jobs.ts, a verb's own) is a service. */
const ALLOWANCES: Readonly<Record<Role, Allowance>> = {
  handler: {
    own: ["handler", "service", "wire"],
    gen: true,
    sql: false,
    platform: [],
    otherDomains: true,
    why: "a handler reads the request, calls one verb of its service and builds the response",
  },
  service: {
    own: ["service", "store"],
    ownTypes: ["schema"],
    gen: false,
    sql: false,
    platform: [DB, EVENTS, QUEUE],
    otherDomains: true,
    why: "a service holds the rules and knows neither SQL nor the wire",
  },
  store: {
    own: ["store", "schema"],
    gen: false,
    sql: true,
    platform: [DB, EVENTS, QUEUE],
    otherDomains: true,
    why: "a store is SQL: it decides nothing and publishes nothing",
  },
  schema: {
    own: ["schema"],
    gen: false,
    sql: true,
    platform: [DB],
    otherDomains: false,
    why: "a schema is tables and indexes",
  },
  wire: {
    own: ["wire"],
    ownTypes: ["service", "store", "schema"],
    gen: true,
    sql: false,
    platform: [],
    otherDomains: true,
    why: "wire turns rows into messages: generated code, and types of its own domain",
  },
  index: {
    own: ["handler", "service", "store", "schema", "wire", "index"],
    gen: true,
    sql: false,
    platform: [DB, EVENTS, QUEUE],
    otherDomains: true,
    why: "an index is the domain's manifest and what others may use",
  },
};

/** Where transport and outside drivers never belong, whatever the role. */
const DRIVERS = /^(nats|@nats-io\/.*|postgres|@connectrpc\/.*)$/;
const SQL = "drizzle-orm";
/** Rooms every role may name; which of them a domain may name at all is the layers' rule. */
const COMMON = /^server\/(kernel\/|context\.ts$|settings\.ts$)/;

/** Inside a domain: handler -> service -> store -> schema. */
export const rolesKeepTheirPlace: Rule = (files) =>
  files.flatMap((source) => {
    const domain = domainOf(source.file);
    if (domain === undefined) return [];
    const role = roleOf(source.file);
    const allowance = ALLOWANCES[role];
    return source.imports
      .filter((one) => !allowed(one, domain, role, allowance))
      .map((one) => ({ file: source.file, says: `imports ${one.specifier}: ${allowance.why}` }));
  });

function allowed(one: Import, domain: string, role: Role, allowance: Allowance): boolean {
  if (one.kind === "package") return allowedPackage(one.target, role, allowance);
  if (one.kind !== "file" || COMMON.test(one.target)) return true;
  if (one.target.startsWith("gen/") || one.target === MANIFEST) return allowance.gen;
  if ([DB, EVENTS, QUEUE].includes(one.target)) return allowance.platform.includes(one.target);
  const other = domainOf(one.target);
  if (other === undefined) return true;
  if (other !== domain) return allowance.otherDomains || isForeignKey(role, one.target);
  const target = roleOf(one.target);
  return allowance.own.includes(target) || (one.typeOnly && (allowance.ownTypes?.includes(target) ?? false));
}

function allowedPackage(name: string, role: Role, allowance: Allowance): boolean {
  if (role === "schema") return name === SQL;
  if (name === SQL) return allowance.sql;
  if (name.startsWith("@bufbuild/")) return allowance.gen;
  return !DRIVERS.test(name);
}

/** A store hands rows back; who hears of them is the service's and the relay's matter. */
export const storesPublishNothing: Rule = (files) =>
  files
    .filter((source) => domainOf(source.file) !== undefined && roleOf(source.file) === "store")
    .filter((source) => /\bpublish\w*\s*\(/.test(source.code))
    .map((source) => ({ file: source.file, says: `publishes: ${ALLOWANCES.store.why}` }));

/** A domain is reached only through its index.ts. */
export const domainsAreReachedByIndex: Rule = (files) =>
  files.flatMap((source) => reachesPast(source).map((one) => pastIndex(source, one)));

function reachesPast(source: SourceFile): Import[] {
  if (source.file === "server/platform/db/schemas.ts") return [];
  const own = domainOf(source.file);
  const foreignKeys = own !== undefined && roleOf(source.file) === "schema";
  return source.imports.filter((one) => {
    const domain = domainOf(one.target);
    if (one.kind !== "file" || domain === undefined || domain === own) return false;
    if (foreignKeys && isForeignKey("schema", one.target)) return false;
    return one.target !== `server/domains/${domain}/index.ts`;
  });
}

function pastIndex(source: SourceFile, one: Import): Finding {
  return { file: source.file, says: `imports ${one.target}: reach a domain through its index.ts` };
}

/** Domains form a tree: no way of imports leads back. Foreign keys between schemas do not count. */
export const domainsFormATree: Rule = (files) => {
  const edges = domainEdges(files);
  const done = new Set<string>();
  const findings: Finding[] = [];
  const walk = (domain: string, path: readonly string[]) => {
    if (path.includes(domain)) {
      const ring = [...path.slice(path.indexOf(domain)), domain];
      const file = edges.get(ring.at(-2) ?? "")?.get(domain) ?? "";
      findings.push({ file, says: `closes a ring of domains: ${ring.join(" -> ")}` });
    } else if (!done.has(domain)) {
      for (const next of edges.get(domain)?.keys() ?? []) walk(next, [...path, domain]);
      done.add(domain);
    }
  };
  for (const domain of edges.keys()) walk(domain, []);
  return findings;
};

/** domain -> the domains it imports, each with the file that does. */
function domainEdges(files: readonly SourceFile[]): Map<string, Map<string, string>> {
  const edges = new Map<string, Map<string, string>>();
  for (const source of files) {
    const from = domainOf(source.file);
    if (from === undefined) continue;
    const targets = edges.get(from) ?? new Map<string, string>();
    edges.set(from, targets);
    for (const one of source.imports) {
      const to = one.kind === "file" ? domainOf(one.target) : undefined;
      if (to === undefined || to === from || isForeignKey(roleOf(source.file), one.target)) continue;
      if (!targets.has(to)) targets.set(to, source.file);
    }
  }
  return edges;
}

/** The listed exception: a schema may name another domain's table. */
function isForeignKey(role: Role, target: string): boolean {
  return role === "schema" && roleOf(target) === "schema";
}

function domainOf(file: string): string | undefined {
  return /^server\/domains\/([^/]+)\//.exec(file)?.[1];
}

/** By the file's name: store.ts, store-search.ts and store/search.ts are all the store. */
function roleOf(file: string): Role {
  const name = file.split("/")[3] ?? "";
  const role = /^(handler|service|store|schema|wire|index)(?:-[a-z0-9-]+)?(?:\.ts)?$/.exec(name)?.[1];
  return (role as Role | undefined) ?? "service";
}
