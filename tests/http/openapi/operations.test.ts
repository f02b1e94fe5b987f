import { describe, expect, test } from "vitest";
import { REASONS } from "../../../server/kernel/errors.js";
import { type Document, documentOf, type Shelf } from "./shelf-proto.js";

const json = (schema: object) => ({ "application/json": { schema } });
const ref = (name: string) => ({ $ref: `#/components/schemas/shelf.v1.${name}` });
const bytes = { "*/*": { schema: { contentMediaType: "application/octet-stream" } } };

/** The document of one RPC `Try`. */
function tryRpc(rpc: Shelf["rpcs"][string], messages: Shelf["messages"] = {}, docs = {}): Document {
  return documentOf({ messages, rpcs: { Try: rpc }, docs });
}

/** The one operation at `GET /path` or the like. */
function operation(document: Document, line: string): Document {
  const [verb, path] = line.split(" ") as [string, string];
  return document.paths[path][verb.toLowerCase()];
}

/** Parameters that have a place of their own, by `in name`. */
function parametersOf(one: Document): Record<string, Document> {
  const own = one.parameters.filter((parameter: Document) => parameter.$ref === undefined);
  return Object.fromEntries(own.map((parameter: Document) => [`${parameter.in} ${parameter.name}`, parameter]));
}

describe("a path", () => {
  const named = { Named: { "string name": {}, "string shelf_mark": {}, "Book book": {} } };

  test.each([
    ["/v1/books/{shelf_mark}", "/v1/books/{shelfMark}", ["shelfMark"]],
    ["/v1/books/{book.name}", "/v1/books/{book.name}", ["book.name"]],
    ["/v1/{name=shelves/*}", "/v1/shelves/{name}", ["name"]],
    ["/v1/{name=shelves/*/books/*}", "/v1/shelves/{name_1}/books/{name_2}", ["name_1", "name_2"]],
    ["/v1/files/{name=**}", "/v1/files/{name}", ["name"]],
    ["/v1/*/books", "/v1/{segment2}/books", ["segment2"]],
    ["/v1/books/{name}:close", "/v1/books/{name}:close", ["name"]],
    ["/v1/books:close", "/v1/books:close", []],
  ])("%s is written %s", (template, path, names) => {
    const document = tryRpc({ http: { get: template }, input: "Named" }, named);
    expect(Object.keys(document.paths)).toContain(path);
    const inPath = Object.values(parametersOf(document.paths[path].get)).filter((one) => one.in === "path");
    expect(inPath.map((one) => one.name)).toEqual(names);
    expect(inPath.every((one) => one.required === true)).toBe(true);
  });

  test("has parameters that say which field they are, or are part of", () => {
    const docs = { "shelf.v1.Named.name": "The name." };
    const says = (template: string, path: string) =>
      Object.values(
        parametersOf(operation(tryRpc({ http: { get: template }, input: "Named" }, named, docs), `GET ${path}`)),
      )[0].description;
    expect(says("/v1/{name}", "/v1/{name}")).toBe("The name.");
    expect(says("/v1/{name=shelves/*}", "/v1/shelves/{name}")).toBe(
      "The name.\n\nPart of `name`, which is `shelves/{name}`.",
    );
    expect(says("/v1/{name=**}", "/v1/{name}")).toBe(
      "The name.\n\nIt may span several segments: a `/` in it is sent as it is.",
    );
  });

  test("is one for all methods, though their protos name its variables differently", () => {
    const { paths } = documentOf({
      messages: named,
      rpcs: {
        Read: { http: { get: "/v1/books/{name}" }, input: "Named" },
        Write: { http: { patch: "/v1/books/{book.name}", body: "book" }, input: "Named" },
      },
    });
    expect(Object.keys(paths["/v1/books/{name}"])).toEqual(["get", "patch"]);
    expect(parametersOf(paths["/v1/books/{name}"].patch)["path name"].description).toBe("This is `book.name`.");
  });

  test("has an operation for each binding, the further ones with a number", () => {
    const additionalBindings = [{ post: "/v1/books:search", body: "*" }, { get: "/v2/books" }];
    const document = tryRpc({ http: { get: "/v1/books", additionalBindings } });
    expect(operation(document, "GET /v1/books").operationId).toBe("ShelfService_Try");
    expect(operation(document, "POST /v1/books:search").operationId).toBe("ShelfService_Try_2");
    expect(operation(document, "GET /v2/books").operationId).toBe("ShelfService_Try_3");
  });

  test("that takes any method is shown with POST, and one of a method OpenAPI has no name for is not shown", () => {
    const custom = (kind: string) => tryRpc({ http: { custom: { kind, path: "/v1/books" } } }).paths["/v1/books"];
    expect(Object.keys(custom("*"))).toEqual(["post"]);
    expect(Object.keys(custom("HEAD"))).toEqual(["head"]);
    expect(custom("PURGE")).toBeUndefined();
  });
});

describe("the query", () => {
  const messages = {
    Ask: {
      "string text": {},
      "repeated State states": {},
      "google.protobuf.Int32Value maybe": {},
      "Book book": {},
      "repeated Book books": {},
      "map<string, string> labels": {},
      "google.protobuf.Struct free": {},
      "Ask again": {},
      "string left": { oneof: "side" },
      "string right": { oneof: "side" },
      "string needed": { rules: { string: { minLen: 1 } } },
      "string hidden": { secret: true as const },
      "int32 old": { deprecated: true as const },
    },
  };
  test("has every field that text can say, those of messages by their path", () => {
    const parameters = parametersOf(
      operation(tryRpc({ http: { get: "/v1/asks" }, input: "Ask" }, messages), "GET /v1/asks"),
    );
    expect(Object.keys(parameters)).toEqual([
      "query text",
      "query states",
      "query maybe",
      "query book.name",
      "query book.title",
      "query left",
      "query right",
      "query needed",
      "query hidden",
      "query old",
    ]);
    expect(parameters["query states"]).toMatchObject({
      style: "form",
      explode: true,
      schema: { type: "array", items: ref("State") },
    });
    expect(parameters["query maybe"].schema).toEqual({ type: "integer", format: "int32" });
    expect(parameters["query left"].description).toBe("Not together with `right`.");
    expect(parameters["query needed"]).toMatchObject({ required: true, schema: { minLength: 1 } });
    expect(parameters["query hidden"].schema.format).toBe("password");
    expect(parameters["query old"].deprecated).toBe(true);
  });

  test("has neither what the path says nor what the body says", () => {
    const document = tryRpc({ http: { post: "/v1/asks/{text}", body: "book" }, input: "Ask" }, messages);
    const names = Object.keys(parametersOf(operation(document, "POST /v1/asks/{text}")));
    expect(names).toContain("path text");
    expect(names).toContain("query states");
    expect(names.filter((name) => /text|book/.test(name))).toEqual(["path text"]);
  });

  test("is empty when the body says everything", () => {
    const document = tryRpc({ http: { post: "/v1/asks", body: "*" }, input: "Ask" }, messages);
    expect(parametersOf(operation(document, "POST /v1/asks"))).toEqual({});
  });
});

describe("the body", () => {
  const messages = {
    Put: {
      "string name": { rules: { string: { minLen: 1 } } },
      "Book book": { rules: { required: true } },
      "repeated string tags": {},
      "google.api.HttpBody file": {},
    },
  };
  const body = (http: Shelf["rpcs"][string]["http"], path: string, docs = {}) =>
    operation(tryRpc({ http, input: "Put" }, messages, docs), `POST ${path}`).requestBody;

  test("is the message, and needed when one of its fields is", () => {
    expect(body({ post: "/v1/books", body: "*" }, "/v1/books")).toEqual({ content: json(ref("Put")), required: true });
  });

  test("is the message without what the path says", () => {
    const { schema } = body({ post: "/v1/books/{name}", body: "*" }, "/v1/books/{name}").content["application/json"];
    expect(schema).toMatchObject({ title: "Put", required: ["book"] });
    expect(Object.keys(schema.properties)).toEqual(["book", "tags", "file"]);
  });

  test("is one field, with its comment", () => {
    const docs = { "shelf.v1.Put.book": "The book." };
    expect(body({ post: "/v1/books", body: "book" }, "/v1/books", docs)).toEqual({
      description: "The book.",
      content: json(ref("Book")),
      required: true,
    });
    expect(body({ post: "/v1/books", body: "tags" }, "/v1/books")).toEqual({
      content: json({ type: "array", items: { type: "string" } }),
      required: false,
    });
  });

  test("is one field without what the path says of it", () => {
    const { schema } = body({ post: "/v1/books/{book.name}", body: "book" }, "/v1/books/{book.name}").content[
      "application/json"
    ];
    expect(Object.keys(schema.properties)).toEqual(["title"]);
  });

  test("may be null where a field that is not set is, whose type has no empty value", () => {
    const unset = { Got: { "google.protobuf.Timestamp at": {}, "string text": {}, "Book book": {} } };
    const schema = (responseBody: string) =>
      operation(tryRpc({ http: { get: "/v1/books", responseBody }, output: "Got" }, unset), "GET /v1/books").responses[
        "200"
      ].content["application/json"].schema;
    expect(schema("at")).toEqual({ type: ["string", "null"], format: "date-time" });
    expect(schema("text")).toEqual({ type: "string" });
    expect(schema("book")).toEqual(ref("Book"));
  });

  test("is bytes of any type where the field is an HttpBody", () => {
    expect(body({ post: "/v1/books", body: "file" }, "/v1/books").content).toEqual(bytes);
    const whole = tryRpc({ http: { post: "/v1/files", body: "*" }, input: "google.api.HttpBody", asksStream: true });
    expect(operation(whole, "POST /v1/files").requestBody.content).toEqual(bytes);
  });

  test("is absent where the binding has none", () => {
    expect(body({ post: "/v1/books" }, "/v1/books")).toBeUndefined();
  });

  test("cannot be a stream of JSON, so that such a method is not shown", () => {
    const document = tryRpc({ http: { post: "/v1/books", body: "*" }, asksStream: true });
    expect(document.paths["/v1/books"]).toBeUndefined();
  });
});

describe("the answer", () => {
  const messages = { Got: { "repeated Book books": {}, "google.api.HttpBody file": {} } };
  const content = (rpc: object) =>
    operation(tryRpc({ http: { get: "/v1/books" }, output: "Got", ...rpc }, messages), "GET /v1/books").responses["200"]
      .content;

  test("is the message", () => {
    expect(content({})).toEqual(json(ref("Got")));
  });

  test("is one field when the binding says so", () => {
    expect(content({ http: { get: "/v1/books", responseBody: "books" } })).toEqual(
      json({ type: "array", items: ref("Book") }),
    );
  });

  test("may be null where a field that is not set is, whose type has no empty value", () => {
    const unset = { Got: { "google.protobuf.Timestamp at": {}, "string text": {}, "Book book": {} } };
    const schema = (responseBody: string) =>
      operation(tryRpc({ http: { get: "/v1/books", responseBody }, output: "Got" }, unset), "GET /v1/books").responses[
        "200"
      ].content["application/json"].schema;
    expect(schema("at")).toEqual({ type: ["string", "null"], format: "date-time" });
    expect(schema("text")).toEqual({ type: "string" });
    expect(schema("book")).toEqual(ref("Book"));
  });

  test("is bytes of any type where it is an HttpBody", () => {
    expect(content({ http: { get: "/v1/books", responseBody: "file" } })).toEqual(bytes);
    expect(content({ output: "google.api.HttpBody" })).toEqual(bytes);
  });

  test("of a stream is lines, events or an array", () => {
    const forms = content({ answersStream: true });
    expect(forms["application/x-ndjson"].schema).toMatchObject(ref("Got"));
    expect(forms["text/event-stream"].schema).toMatchObject(ref("Got"));
    expect(forms["application/json"].schema).toEqual({ type: "array", items: ref("Got") });
  });
});

describe("an operation", () => {
  const docs = {
    "shelf.v1.ShelfService": "Shelves.",
    "shelf.v1.ShelfService.Try": "Tries: now or\nnever.\nErrors: NOT_FOUND.",
  };
  const document = tryRpc({ http: { get: "/v1/books" }, deprecated: true }, {}, docs);

  test("has the first words of its comment as a summary, and all of it as a description", () => {
    expect(operation(document, "GET /v1/books")).toMatchObject({
      summary: "Tries",
      description: "Tries: now or\nnever.\n\nErrors: NOT_FOUND.",
      deprecated: true,
      tags: ["ShelfService"],
    });
    expect(document.tags[0]).toEqual({ name: "ShelfService", description: "Shelves." });
  });

  test.each([
    ["ACCESS_PUBLIC", "public", [{}, { bearer: [] }, { session: [] }, { signature: [] }]],
    ["ACCESS_ACCOUNT", "account", [{ bearer: [] }, { session: [] }, { signature: [] }]],
    ["ACCESS_ADMIN", "admin", [{ bearer: [] }, { session: [] }, { signature: [] }]],
    ["ACCESS_HOST", "host", [{ bearer: [] }]],
  ])("of %s says who may call and how that is proved", (access, word, security) => {
    const one = operation(tryRpc({ http: { get: "/v1/books" }, access }), "GET /v1/books");
    expect(one).toMatchObject({ "x-backstay-access": word, security });
    expect("401" in one.responses).toBe(access !== "ACCESS_PUBLIC");
  });

  test("that changes something takes an idempotency key", () => {
    const headers = (rpc: object) =>
      operation(tryRpc({ http: { get: "/v1/books" }, ...rpc }), "GET /v1/books").parameters.map(({ $ref }: Document) =>
        $ref.slice("#/components/parameters/".length),
      );
    expect(headers({ readOnly: true })).toEqual(["x-request-id", "x-server-timeout"]);
    expect(headers({})).toEqual(["x-request-id", "x-server-timeout", "idempotency-key"]);
  });
});

describe("the errors of an operation", () => {
  const responses = (comments: Record<string, string>, rpc: object = {}): Document => {
    const docs = Object.fromEntries(
      Object.entries(comments).map(([name, text]) => [`shelf.v1.ShelfService.${name}`, text]),
    );
    const rpcs = {
      Try: { http: { get: "/v1/books" }, ...rpc },
      Other: { http: { get: "/v1/others" }, readOnly: true as const },
    };
    return operation(documentOf({ rpcs, docs }), "GET /v1/books").responses;
  };

  test("are those its comment names, with the sentence of each reason", () => {
    const found = responses({
      Try: "Tries.\nErrors: NOT_FOUND `ACCOUNT_NOT_FOUND` when there is\nnone; ALREADY_EXISTS.",
    });
    expect(found["404"].description).toBe(`Not Found:\n\n- \`ACCOUNT_NOT_FOUND\`: ${REASONS.ACCOUNT_NOT_FOUND[1]}`);
    expect(found["409"].description).toBe("Conflict.");
  });

  test("are those of another method that its comment names", () => {
    const other = "Errors: NOT_FOUND `MESSAGE_NOT_FOUND`.";
    expect(responses({ Try: "Errors: as Other.", Other: other })["404"].description).toContain("`MESSAGE_NOT_FOUND`");
    expect(responses({ Try: "Errors: those of Other.", Other: other })["404"]).toBeDefined();
    expect(responses({ Try: "Tries.", Other: other })["404"]).toBeUndefined();
  });

  test("are those any call can meet, written once", () => {
    const { 400: bad, 429: many, default: other } = responses({});
    expect([bad, many, other]).toEqual([
      { $ref: "#/components/responses/BadRequest" },
      { $ref: "#/components/responses/TooManyRequests" },
      { $ref: "#/components/responses/Error" },
    ]);
  });

  test("are those of a body only where there is one", () => {
    expect(Object.keys(responses({}))).not.toContain("415");
    expect(Object.keys(responses({}))).not.toContain("501");
    const { paths, components } = tryRpc({ http: { post: "/v1/books", body: "*" } });
    expect(components.responses.NotImplemented.description).toContain("`UNSUPPORTED_ENCODING`");
    expect(components.responses.BadRequest.description).toContain("`CHECKSUM_MISMATCH`");
    expect(Object.keys(paths["/v1/books"].post.responses)).toEqual(expect.arrayContaining(["413", "415", "501"]));
  });

  test("are a google.rpc.Status, which tells all reasons", () => {
    const { components } = tryRpc({ http: { get: "/v1/books" } });
    expect(components.responses.Error.content).toEqual(json({ $ref: "#/components/schemas/google.rpc.Status" }));
    const { description } = components.schemas["google.rpc.ErrorInfo"].properties.reason;
    for (const reason of Object.keys(REASONS)) expect(description).toContain(`\`${reason}\``);
  });
});
