import { describe, expect, test } from "vitest";
import { type Document, documentOf, type Shelf } from "./shelf-proto.js";

const ref = (name: string) => ({ $ref: `#/components/schemas/shelf.v1.${name}` });

/** The schema of a message `Probe` with these fields, as a body or as an answer. */
function probe(fields: NonNullable<Shelf["messages"]>[string], docs = {}, as: "input" | "output" = "input"): Document {
  const rpcs = { Try: { http: { post: "/v1/probes", body: "*" }, [as]: "Probe" } };
  return documentOf({ messages: { Probe: fields }, rpcs, docs }).components.schemas["shelf.v1.Probe"];
}

describe("a field is described as proto JSON writes it", () => {
  test.each<[field: string, schema: object]>([
    ["string it", { type: "string" }],
    ["bool it", { type: "boolean" }],
    ["int32 it", { type: "integer", format: "int32" }],
    ["sint32 it", { type: "integer", format: "int32" }],
    ["uint32 it", { type: "integer", format: "uint32", minimum: 0 }],
    ["int64 it", { type: "string", format: "int64" }],
    ["sfixed64 it", { type: "string", format: "int64" }],
    ["uint64 it", { type: "string", format: "uint64" }],
    ["double it", { oneOf: [{ type: "number", format: "double" }, { enum: ["NaN", "Infinity", "-Infinity"] }] }],
    ["float it", { oneOf: [{ type: "number", format: "float" }, { enum: ["NaN", "Infinity", "-Infinity"] }] }],
    ["bytes it", { type: "string", contentEncoding: "base64" }],
    ["State it", ref("State")],
    ["Book it", ref("Book")],
    ["Probe it", ref("Probe")],
    ["repeated string it", { type: "array", items: { type: "string" } }],
    ["repeated Book it", { type: "array", items: ref("Book") }],
    ["map<string, int64> it", { type: "object", additionalProperties: { type: "string", format: "int64" } }],
    ["map<string, Book> it", { type: "object", additionalProperties: ref("Book") }],
    [
      "map<int32, string> it",
      { type: "object", propertyNames: { pattern: "^-?[0-9]+$" }, additionalProperties: { type: "string" } },
    ],
    ["map<bool, State> it", expect.objectContaining({ propertyNames: { enum: ["true", "false"] } })],
    ["google.protobuf.Timestamp it", { type: "string", format: "date-time" }],
    ["google.protobuf.Duration it", expect.objectContaining({ type: "string", pattern: expect.any(String) })],
    ["google.protobuf.FieldMask it", expect.objectContaining({ type: "string" })],
    ["google.protobuf.StringValue it", { type: ["string", "null"] }],
    ["google.protobuf.Int64Value it", { type: ["string", "null"], format: "int64" }],
    ["google.protobuf.DoubleValue it", { oneOf: expect.arrayContaining([{ type: "null" }]) }],
    ["google.protobuf.Struct it", { type: "object", additionalProperties: true }],
    ["google.protobuf.ListValue it", { type: "array", items: {} }],
    ["google.protobuf.Value it", {}],
    ["google.protobuf.Any it", expect.objectContaining({ type: "object", required: ["@type"] })],
  ])("%s", (field, schema) => {
    expect(probe({ [field]: {} }).properties).toEqual({ it: schema });
  });

  test("by its JSON name", () => {
    expect(Object.keys(probe({ "string shelf_mark": {} }).properties)).toEqual(["shelfMark"]);
  });

  test("with its comment, also beside a reference", () => {
    const docs = { "shelf.v1.Probe": "A probe.", "shelf.v1.Probe.book": "Which book." };
    expect(probe({ "Book book": {} }, docs)).toMatchObject({
      description: "A probe.",
      properties: { book: { ...ref("Book"), description: "Which book." } },
    });
  });

  test("and told to be deprecated", () => {
    expect(probe({ "string old": { deprecated: true } }).properties.old).toMatchObject({ deprecated: true });
  });
});

test("an enum is its names, each with its comment", () => {
  const docs = { "shelf.v1.State": "How it stands.", "shelf.v1.State.OPEN": "Open to\nall." };
  const rpcs = { Try: { http: { post: "/v1/probes", body: "*" }, input: "Probe" } };
  const { components } = documentOf({ messages: { Probe: { "State state": {} } }, rpcs, docs });
  expect(components.schemas["shelf.v1.State"]).toEqual({
    type: "string",
    enum: ["STATE_UNSPECIFIED", "OPEN", "SHUT"],
    description: "How it stands.\n\n- `STATE_UNSPECIFIED`\n- `OPEN`: Open to all.\n- `SHUT`",
  });
});

test("of a oneof at most one member is set, which the message's description says", () => {
  const fields = { "string left_hand": { oneof: "hand" }, "string right_hand": { oneof: "hand" } };
  const schema = probe(fields, { "shelf.v1.Probe": "A probe.", "shelf.v1.Probe.hand": "Which hand." });
  expect(schema.description).toBe("A probe.\n\nWhich hand. At most one of `leftHand`, `rightHand` is set.");
  expect(Object.keys(schema.properties)).toEqual(["leftHand", "rightHand"]);
});

describe("a secret", () => {
  const fields = { "string secret": { secret: true as const } };

  test("is a password that is only written when no answer has it", () => {
    expect(probe(fields).properties.secret).toEqual({ type: "string", format: "password", writeOnly: true });
  });

  test("is a password that can be read when an answer has it", () => {
    expect(probe(fields, {}, "output").properties.secret).toEqual({ type: "string", format: "password" });
  });
});

describe("the rules of buf.validate bound a field where JSON Schema can", () => {
  test.each<[field: string, rules: object, keywords: object]>([
    ["string it", { string: { minLen: 2, maxLen: 9 } }, { minLength: 2, maxLength: 9 }],
    ["string it", { string: { len: 4 } }, { minLength: 4, maxLength: 4 }],
    ["string it", { string: { maxBytes: 256 } }, { maxLength: 256 }],
    ["string it", { string: { pattern: "^a+$" } }, { pattern: "^a+$" }],
    ["string it", { string: { in: ["", "a"] } }, { enum: ["", "a"] }],
    ["string it", { string: { email: true } }, { format: "email" }],
    ["int32 it", { int32: { gte: 0, lte: 500 } }, { minimum: 0, maximum: 500 }],
    ["uint32 it", { uint32: { gt: 0, lt: 5 } }, { exclusiveMinimum: 0, exclusiveMaximum: 5 }],
    ["double it", { double: { lte: 1 } }, { maximum: 1 }],
    [
      "repeated string it",
      { repeated: { minItems: 1, maxItems: 3, unique: true } },
      { minItems: 1, maxItems: 3, uniqueItems: true },
    ],
    [
      "repeated string it",
      { repeated: { items: { string: { maxLen: 9 } } } },
      { items: { type: "string", maxLength: 9 } },
    ],
    [
      "map<string, string> it",
      { map: { maxPairs: 3, values: { string: { maxLen: 9 } } } },
      { maxProperties: 3, additionalProperties: { type: "string", maxLength: 9 } },
    ],
  ])("%s %j", (field, rules, keywords) => {
    expect(probe({ [field]: { rules: rules as never } }).properties.it).toMatchObject(keywords);
  });

  test("and the names of an enum that are refused are left out, which makes it required", () => {
    const schema = probe({ "State it": { rules: { enum: { definedOnly: true, notIn: [0] } } } });
    expect(schema.properties.it).toMatchObject({ ...ref("State"), enum: ["OPEN", "SHUT"] });
    expect(schema.required).toEqual(["it"]);
  });

  test("and not where text of 64 bits has no order", () => {
    expect(probe({ "int64 it": { rules: { int64: { gte: "1" } } } }).properties.it).toEqual({
      type: "string",
      format: "int64",
    });
  });

  test("and zero passes where it is told to", () => {
    const rules = { string: { minLen: 1, maxLen: 9, email: true }, ignore: "IGNORE_IF_ZERO_VALUE" };
    const schema = probe({ "string it": { rules } });
    expect(schema.properties.it).toEqual({ type: "string", maxLength: 9, format: "email" });
    expect(schema.required).toBeUndefined();
  });
});

describe("a field is required", () => {
  const fields = {
    "Book told": { rules: { required: true } },
    "string filled": { rules: { string: { minLen: 1 } } },
    "string free": { rules: { string: { maxLen: 1 } } },
  };

  test("when the rules say so, or refuse what an absent field stands for", () => {
    expect(probe(fields).required).toEqual(["told", "filled"]);
  });

  test("but not in what is answered, where rules promise nothing", () => {
    expect(probe(fields, {}, "output").required).toBeUndefined();
  });
});
