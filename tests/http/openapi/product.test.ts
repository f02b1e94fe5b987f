import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import docs from "#gen/docs.json" with { type: "json" };
import { http } from "#gen/google/api/annotations_pb.js";
import { describeApi } from "../../../server/app.js";
import { commentOf } from "../../../server/http/openapi/docs.js";
import { generatedDescriptors } from "../../architecture/project.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import type { Document } from "./shelf-proto.js";

const source = describeApi();
const document: Document = JSON.parse(source);
const files = await generatedDescriptors();
const operations: Document[] = Object.values<object>(document.paths).flatMap((path) => Object.values(path));

describe("the document of the product", () => {
  test("is a valid OpenAPI 3.1 document", async () => {
    expect(await problemsOf(document)).toEqual([]);
  });

  test.each([
    ["a reference to nothing", ["paths", "/v1/ping", "get", "responses", "400"], { $ref: "#/components/nowhere" }],
    ["a type that is none", ["components", "schemas", "google.rpc.Status", "type"], "text"],
    ["an operationId twice", ["paths", "/v1/ping", "get", "operationId"], "SystemService_GetInfo"],
    ["a path parameter that is not told of", ["paths", "/v1/accounts/{id}", "get", "parameters"], []],
  ])("would not be valid with %s", async (_, path, value) => {
    const broken = structuredClone(document);
    const holder = path.slice(0, -1).reduce((inside, key) => inside[key], broken);
    holder[path.at(-1)!] = value;
    expect(await problemsOf(broken)).not.toEqual([]);
  });

  const methods = files.flatMap(({ services }) => services).flatMap((service) => service.methods);
  test.each(methods.filter((method) => hasOption(method, http)).map((one) => [`${one.parent.name}_${one.name}`, one]))(
    "has the operation %s, and one for each additional binding",
    (id, method) => {
      const { additionalBindings } = getOption(method as (typeof methods)[number], http);
      const ids = additionalBindings.map((_, index) => `${id}_${index + 2}`);
      const known = operations.map(({ operationId }) => operationId);
      expect(known).toEqual(expect.arrayContaining([id, ...ids]));
    },
  );

  test("has the paths of health", () => {
    expect(Object.keys(document.paths["/readyz"].get.responses)).toEqual(["200", "503"]);
    expect(document.paths["/healthz"].get.security).toEqual([]);
  });

  test("describes every operation, parameter, message and field", () => {
    const silent: string[] = [];
    const look = (place: string, one: Document) => {
      if (!one.description?.trim()) silent.push(place);
    };
    for (const operation of operations.filter(({ operationId }) => operationId.includes("_"))) {
      look(operation.operationId, operation);
      for (const one of operation.parameters) if (!one.$ref) look(`${operation.operationId} ${one.name}`, one);
    }
    for (const [name, schema] of Object.entries<Document>(document.components.schemas)) {
      look(name, schema);
      for (const [field, one] of Object.entries(schema.properties ?? {})) look(`${name}.${field}`, one);
    }
    for (const tag of document.tags) look(tag.name, tag);
    expect(silent).toEqual([]);
  });

  test("names as the product's version and licence what package.json does", async () => {
    const { default: packageJson } = await import("../../../package.json", { with: { type: "json" } });
    const { title, version, license } = document.info;
    expect([title, version, license.identifier]).toEqual(["Backstay", packageJson.version, packageJson.license]);
  });
});

test("the comments of the protos are all generated", () => {
  const withNested = (message: DescMessage): DescMessage[] => [message, ...message.nestedMessages.flatMap(withNested)];
  const messages = files.flatMap((file) => file.messages.flatMap(withNested));
  const all = [
    ...files.flatMap(({ services }) => services.flatMap((service) => [service, ...service.methods])),
    ...files.flatMap(({ enums }) => enums.flatMap((one) => [one, ...one.values])),
    ...messages.flatMap((message) => [message, ...message.fields, ...message.oneofs]),
  ];
  expect(all.length).toBeGreaterThan(100);
  expect(all.filter((one) => commentOf(docs, one) === "").map(String)).toEqual([]);
});

describe("the same document", () => {
  let backstay: TestBackstay;
  beforeAll(async () => {
    backstay = await startBackstay({ "cors.origins": "https://app.example" }, { development: false });
  });
  afterAll(() => backstay?.stop());

  test("is what the server answers, also to pages of other origins", async () => {
    const answer = await fetch(`${backstay.url}/openapi.json`, { headers: { origin: "https://app.example" } });
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(await answer.text()).toBe(source);
  });

  test("is what `backstay openapi` and `npm run --silent openapi` print, without a database", async () => {
    const cwd = fileURLToPath(new URL("../../..", import.meta.url));
    const env = { ...process.env, DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing" };
    const print = async (command: string, words: string[]) => {
      const options = { cwd, env, maxBuffer: 2 ** 25 };
      return (await promisify(execFile)(command, words, options)).stdout;
    };
    expect(await print(process.execPath, ["server/cli/bin.mjs", "openapi"])).toBe(source);
    expect(await print("npm", ["run", "--silent", "openapi"])).toBe(source);
  });
});

/** What Redocly's strictest rules find. */
async function problemsOf(one: Document): Promise<string[]> {
  // Nothing but health answers without looking at the request.
  const config = await createConfig({ extends: ["recommended-strict"], rules: { "operation-4xx-response": "off" } });
  const problems = await lintFromString({ source: JSON.stringify(one), absoluteRef: "openapi.json", config });
  return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} at ${location[0]?.pointer}`);
}
