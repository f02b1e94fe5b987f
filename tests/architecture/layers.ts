import type { Finding, Import, Rule, SourceFile } from "./source.js";

/** What the files of a room may import: values and types, or only types. */
interface Room {
  readonly may: readonly string[];
  readonly types?: readonly string[];
}

/** The dependency rule, downward only. What stands in no list is refused. */
const ROOMS: Readonly<Record<string, Room>> = {
  kernel: { may: ["kernel"] },
  settings: { may: ["kernel"] },
  platform: { may: ["platform", "kernel"] },
  context: { may: ["kernel"], types: ["platform", "settings"] },
  manifest: { may: ["context", "kernel"], types: ["gen"] },
  domains: { may: ["domains", "manifest", "context", "settings", "kernel", "gen"] },
  rpc: { may: ["rpc", "platform", "manifest", "context", "settings", "kernel", "gen"] },
  http: { may: ["http", "rpc", "manifest", "context", "settings", "kernel", "gen"], types: ["platform"] },
  compat: { may: ["compat", "http", "rpc", "domains", "manifest", "context", "settings", "kernel", "gen"] },
  config: { may: ["config", "settings", "kernel", "package.json"] },
  ground: { may: ["config", "platform", "kernel"] },
  app: {
    may: [
      "app",
      "ground",
      "compat",
      "http",
      "rpc",
      "domains",
      "platform",
      "manifest",
      "context",
      "settings",
      "config",
      "kernel",
      "gen",
    ],
  },
  main: { may: ["app", "config", "kernel"] },
  backend: { may: ["backend", "kernel"], types: ["app"] },
  cli: { may: ["cli", "backend", "main", "app", "config", "kernel", "client-sdk", "package.json"] },
};

/** The only doors of platform/ that a domain may open: statement() and schema helpers, record() and its fragment, rows of jobs. */
const DOMAIN_DOORS = [
  "server/platform/db/index.ts",
  "server/platform/events/index.ts",
  "server/platform/queue/index.ts",
];

/** The listed exception: migrations need every table, so this one file gathers the domains' schemas. */
const SCHEMA_GATHERER = "server/platform/db/schemas.ts";

/** The listed exception: what an app imports is a way to start the server, as the command line is. */
const PACKAGE_ENTRY = "server/backend/index.mjs";

const SCHEMA = /^server\/domains\/[^/]+\/schema\.ts$/;

/** Node modules that compute and reach nothing outside of the process. */
const PURE_NODE = ["assert", "async_hooks", "buffer", "crypto", "events", "string_decoder", "url", "util"];

/** Packages that are, or drive, the outside world. */
const OUTSIDE_PACKAGES =
  /^(postgres|nats|@nats-io\/.*|drizzle-orm|@connectrpc\/.*|@backstay\/client|pino|sharp|commander|tsx|lru-cache|@node-rs\/argon2)$/;

/** Imports point only downward: (rpc, http, cli, compat) -> domains -> platform -> kernel. */
export const importsPointDownward: Rule = (files) =>
  files.flatMap((source) => source.imports.flatMap((one) => askRoom(source, one)));

function askRoom(source: SourceFile, one: Import): Finding[] {
  const from = roomOf(source.file);
  const room = ROOMS[from];
  const to = roomOfImport(one);
  if (!room || to === undefined) return [];
  if (room.may.includes(to)) return [];
  if (source.file === SCHEMA_GATHERER && SCHEMA.test(one.target)) return [];
  if (source.file === PACKAGE_ENTRY && to === "cli") return [];
  if (from === "domains" && DOMAIN_DOORS.includes(one.target)) return [];
  if (room.types?.includes(to)) {
    return one.typeOnly ? [] : [finding(source, `imports a value of ${one.target}: ${from} may use its types only`)];
  }
  return [finding(source, `imports ${one.target || one.specifier}: ${from} may import ${room.may.join(", ")}`)];
}

/** Every file of server/ stands in a room of the architecture. */
export const everyFileHasARoom: Rule = (files) =>
  files
    .filter((source) => !ROOMS[roomOf(source.file)])
    .map((source) => finding(source, `stands in no room: server/ has ${Object.keys(ROOMS).join(", ")}`));

/** kernel/ is pure words: no I/O, no framework, no generated code. */
export const kernelIsPure: Rule = (files) =>
  files
    .filter((source) => roomOf(source.file) === "kernel")
    .flatMap((source) =>
      source.imports
        .filter((one) => reachesOutside(one) || OUTSIDE_PACKAGES.test(one.target))
        .map((one) => finding(source, `imports ${one.target || "a computed name"}: kernel is pure, without I/O`)),
    );

/** A domain reaches the outside world through the ports of its context, not through node modules. */
export const domainsUsePorts: Rule = (files) =>
  files
    .filter((source) => roomOf(source.file) === "domains")
    .flatMap((source) =>
      source.imports
        .filter(reachesOutside)
        .map((one) => finding(source, `imports ${one.target || "a computed name"}: I/O goes through a port of ctx`)),
    );

function reachesOutside(one: Import): boolean {
  if (one.kind === "computed") return true;
  return one.kind === "node" && !PURE_NODE.includes(one.target.replace("node:", ""));
}

function roomOf(file: string): string {
  const [top, second = ""] = file.split("/");
  if (top !== "server") return top ?? "";
  return second.replace(/\.ts$/, "");
}

function roomOfImport(one: Import): string | undefined {
  if (one.target === "@backstay/client") return "client-sdk";
  return one.kind === "file" ? roomOf(one.target) : undefined;
}

function finding(source: SourceFile, says: string): Finding {
  return { file: source.file, says };
}
