import { describe, expect, test } from "vitest";
import { sourceRules } from "./rules.js";
import { type Rule, sourceFile } from "./source.js";

type Files = Readonly<Record<string, string>>;

function findings(files: Files, rules: readonly Rule[] = Object.values(sourceRules)): string[] {
  const sources = Object.entries(files).map(([file, text]) => sourceFile(file, text));
  return rules.flatMap((rule) => rule(sources).map(({ file, says }) => `${file} ${says}`));
}

test("a house in order has no findings", () => {
  expect(
    findings({
      "server/kernel/ids.ts": `import { randomFillSync } from "node:crypto"; import { a } from "./clock.js";`,
      "server/platform/bus/nats.ts": `import { connect } from "nats"; import type { Bus } from "./bus.js";`,
      "server/platform/bus/bus.ts": `import { Clock } from "../../kernel/clock.js"; import net from "node:net";`,
      "server/platform/images.ts": `import { resize } from "sharp";`,
      "server/platform/db/index.ts": `export { open } from "./embedded/launcher.js"; import "drizzle-orm";`,
      "server/platform/db/schemas.ts": `export * from "../../domains/messages/schema.js";`,
      "server/settings.ts": `export interface Settings { a: string }`,
      "server/context.ts": `import type { Bus } from "./platform/bus/bus.js"; import { a } from "./kernel/ids.js";`,
      "server/manifest.ts": `import type { Ctx } from "./context.js"; import type { DescService } from "@bufbuild/protobuf";`,
      "server/domains/messages/handler.ts": `
        import { create } from "@bufbuild/protobuf";
        import { SendMessageResponseSchema } from "#gen/backstay/messages/v1/messages_pb.js";
        import type { Ctx } from "../../context.js";
        import { serve } from "../../manifest.js";
        import { toAccount } from "../accounts/index.js";
        import { sendMessage } from "./service.js";
        import { toMessage } from "./wire.js";`,
      "server/domains/messages/service.ts": `
        import { DomainError } from "../../kernel/errors.js";
        import { record } from "../../platform/events/index.js";
        import { getAccount } from "../accounts/index.js";
        import { insertMessage } from "./store.js";
        import type { MessageRow } from "./schema.js";`,
      "server/domains/messages/send-message.ts": `import { insertMessage } from "./store.js";`,
      "server/domains/messages/store.ts": `
        import { sql } from "drizzle-orm";
        import { statement } from "../../platform/db/index.js";
        import { bump } from "../counters/index.js";
        import { messages } from "./schema.js";`,
      "server/domains/messages/schema.ts": `
        import { index } from "drizzle-orm/pg-core";
        import { id } from "../../platform/db/index.js";
        import { accounts } from "../accounts/schema.js";`,
      "server/domains/messages/wire.ts": `
        import { MessageSchema } from "#gen/backstay/messages/v1/messages_pb.js";
        import type { MessageRow } from "./schema.js";`,
      "server/domains/messages/index.ts": `
        import { handler } from "./handler.js"; export * from "./service.js";
        export const messagesDomain = { services: [handler], erase: eraseMessages, export: exportMessages };`,
      "server/domains/accounts/index.ts": `
        export * from "./service.js";
        export const accountsDomain = { erase: holdsNothing, export: holdsNothing };`,
      "server/domains/accounts/schema.ts": `import { messages } from "../messages/schema.js";`,
      "server/rpc/routes.ts": `import { access } from "#gen/backstay/options/v1/options_pb.js"; import type { Log } from "../platform/log.js";`,
      "server/http/listener.ts": `import { admit } from "../rpc/admit.js"; import http from "node:http";`,
      "server/config.ts": `const env = process.env; import type { Settings } from "./settings.js";`,
      "server/app.ts": `
        import { natsBus } from "./platform/bus/nats.js";
        import { messages } from "./domains/messages/index.js";
        import type { Config } from "./config.js";`,
      "server/main.ts": `import { createApp } from "./app.js"; process.exit(1);`,
      "server/cli/serve.ts": `import { main } from "../main.js"; import { createClient } from "@backstay/client";`,
      "server/platform/db/drizzle.config.ts": "export default {};",
    }),
  ).toEqual([]);
});

describe("a fault is found, with its reason:", () => {
  const faults: readonly (readonly [fault: string, rule: string, files: Files, says: string])[] = [
    [
      "kernel imports platform",
      "imports point only downward",
      { "server/kernel/a.ts": `import "../platform/log.js";` },
      "server/kernel/a.ts imports server/platform/log.ts: kernel may import kernel",
    ],
    [
      "platform imports the context's types",
      "imports point only downward",
      { "server/platform/events/log.ts": `import type { Ctx } from "../../context.js";` },
      "imports server/context.ts: platform may import platform, kernel",
    ],
    [
      "platform imports a domain's schema outside of db/schemas.ts",
      "imports point only downward",
      { "server/platform/db/migrate.ts": `import "../../domains/messages/schema.js";` },
      "imports server/domains/messages/schema.ts",
    ],
    [
      "the context imports a value of platform",
      "imports point only downward",
      { "server/context.ts": `import { log } from "./platform/log.js";` },
      "imports a value of server/platform/log.ts: context may use its types only",
    ],
    [
      "rpc imports a domain",
      "imports point only downward",
      { "server/rpc/routes.ts": `import { messages } from "../domains/messages/index.js";` },
      "imports server/domains/messages/index.ts: rpc may import",
    ],
    [
      "http names the config's type",
      "imports point only downward",
      { "server/http/a.ts": `import type { Config } from "../config.js";` },
      "imports server/config.ts: http may import",
    ],
    [
      "a service imports the client",
      "imports point only downward",
      { "server/domains/a/service.ts": `import { createClient } from "@backstay/client";` },
      "imports @backstay/client: domains may import",
    ],
    [
      "a service imports a port's file, if only its type",
      "imports point only downward",
      { "server/domains/a/service.ts": `import type { Log } from "../../platform/log.js";` },
      "imports server/platform/log.ts: domains may import",
    ],
    [
      "a file stands outside of every room",
      "every file of server/ stands in a room of the architecture",
      { "server/services/a.ts": "" },
      "server/services/a.ts stands in no room",
    ],
    [
      "kernel reads files",
      "kernel/ is pure",
      { "server/kernel/a.ts": `import { readFile } from "node:fs/promises";` },
      "imports node:fs/promises: kernel is pure",
    ],
    [
      "a domain opens a socket",
      "domains reach the outside world through ports",
      { "server/domains/a/jobs.ts": `import net from "node:net";` },
      "imports node:net: I/O goes through a port of ctx",
    ],
    [
      "a domain hides what it imports",
      "domains reach the outside world through ports",
      { "server/domains/a/jobs.ts": `await import(name);` },
      "imports a computed name",
    ],
    [
      "a handler imports drizzle",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/handler.ts": `import { eq } from "drizzle-orm";` },
      "server/domains/a/handler.ts imports drizzle-orm: a handler reads the request",
    ],
    [
      "a handler imports its store",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/handler.ts": `import type { Row } from "./store.js";` },
      "imports ./store.js",
    ],
    [
      "a handler imports platform/db",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/handler.ts": `import { statement } from "../../platform/db/index.js";` },
      "imports ../../platform/db/index.js",
    ],
    [
      "a service imports #gen",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/service.ts": `import type { Message } from "#gen/backstay/a/v1/a_pb.js";` },
      "imports #gen/backstay/a/v1/a_pb.js: a service holds the rules",
    ],
    [
      "a service imports the manifest",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/service.ts": `import { serve } from "../../manifest.js";` },
      "imports ../../manifest.js: a service holds the rules",
    ],
    [
      "a verb's own file imports Connect",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/send-message.ts": `import { Code } from "@connectrpc/connect";` },
      "imports @connectrpc/connect",
    ],
    [
      "a service imports a table",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/service.ts": `import { table } from "./schema.js";` },
      "imports ./schema.js",
    ],
    [
      "a store imports its service",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/store-search.ts": `import { rule } from "./service.js";` },
      "imports ./service.js: a store is SQL",
    ],
    [
      "a schema imports another package",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/schema.ts": `import { z } from "zod";` },
      "imports zod: a schema is tables and indexes",
    ],
    [
      "wire imports a value of its store",
      "inside a domain handler -> service -> store -> schema",
      { "server/domains/a/wire.ts": `import { find } from "./store.js";` },
      "imports ./store.js: wire turns rows into messages",
    ],
    [
      "a store publishes",
      "stores publish nothing",
      { "server/domains/a/store.ts": "ctx.bus.publish(subject);" },
      "server/domains/a/store.ts publishes",
    ],
    [
      "a domain reaches past another's index",
      "a domain is reached only through its index.ts",
      { "server/domains/a/service.ts": `import { find } from "../b/store.js";` },
      "imports server/domains/b/store.ts: reach a domain through its index.ts",
    ],
    [
      "app.ts reaches past a domain's index",
      "a domain is reached only through its index.ts",
      { "server/app.ts": `import { find } from "./domains/b/service.js";` },
      "imports server/domains/b/service.ts",
    ],
    [
      "three domains form a ring",
      "domains form a tree",
      {
        "server/domains/a/service.ts": `import "../b/index.js";`,
        "server/domains/b/store.ts": `import type { C } from "../c/index.js";`,
        "server/domains/c/jobs.ts": `import "../a/index.js";`,
      },
      "server/domains/c/jobs.ts closes a ring of domains: a -> b -> c -> a",
    ],
    [
      "a domain says nothing of what it holds",
      "a domain erases and exports what it holds of accounts",
      { "server/domains/a/index.ts": `export const a = { erase: eraseA }; // export: exportA` },
      "server/domains/a/index.ts says nothing of `export`",
    ],
    [
      "a domain whose table references accounts holds nothing",
      "a domain erases and exports what it holds of accounts",
      {
        "server/domains/a/index.ts": "export const a = { erase: eraseA, export: holdsNothing };",
        "server/domains/a/schema.ts": `id("by").references(() => accounts.id, { onDelete: "cascade" })`,
      },
      "holds nothing to export, and its schema names accounts",
    ],
    [
      "a domain with a column that names an account holds nothing",
      "a domain erases and exports what it holds of accounts",
      {
        "server/domains/a/index.ts": "export const a = { erase: holdsNothing, export: exportA };",
        "server/domains/a/schema.ts": `export const visits = table("visits", { visitedId: id("visited_account_id") });`,
      },
      "holds nothing to erase, and its schema names accounts",
    ],
    [
      "a domain says that its rows go with the account, and they stay",
      "a domain erases and exports what it holds of accounts",
      {
        "server/domains/a/index.ts": "export const a = { erase: goesWithAccount, export: exportA };",
        "server/domains/a/schema.ts": `id("account_id").references(() => accounts.id)`,
      },
      "none of its tables does",
    ],
    [
      "rpc names an implementation",
      "only app.ts names implementations",
      { "server/rpc/a.ts": `import type { MemoryBus } from "../platform/bus/memory-bus.js";` },
      "names the implementation server/platform/bus/memory-bus.ts",
    ],
    [
      "a platform folder names its neighbour's implementation",
      "only app.ts names implementations",
      { "server/platform/events/relay.ts": `import "../db/embedded/launcher.js";` },
      "names the implementation server/platform/db/embedded/launcher.ts",
    ],
    [
      "nats is named outside of nats.ts",
      "drivers stay in their file",
      { "server/platform/bus/bus.ts": `import { connect } from "nats";` },
      "imports nats: only files called nats.ts may",
    ],
    [
      "sharp is named outside of images.ts",
      "drivers stay in their file",
      { "server/platform/blobs/disk.ts": `import { resize } from "sharp";` },
      "imports sharp: only images.ts may",
    ],
  ];

  test.each(faults)("%s", (_, name, files, says) => {
    const rule = sourceRules[name];
    expect(rule && findings(files, [rule])).toEqual([expect.stringContaining(says)]);
  });
});
