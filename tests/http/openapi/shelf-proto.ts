import { createFileRegistry, createRegistry, fromJson, type JsonObject } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { file_backstay_options_v1_options } from "#gen/backstay/options/v1/options_pb.js";
import { file_google_api_annotations } from "#gen/google/api/annotations_pb.js";
import { file_google_api_httpbody } from "#gen/google/api/httpbody_pb.js";
import { openApi } from "../../../server/http/openapi/document.js";
import { methodTable } from "../../../server/rpc/methods.js";

const IMPORTS = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  file_google_api_httpbody,
];
const OPTIONS = createRegistry(
  file_buf_validate_validate,
  file_backstay_options_v1_options,
  file_google_api_annotations,
);

/** An RPC of `shelf.v1.ShelfService`; a message of google is named in full. */
interface Rpc {
  /** google.api.HttpRule, as JSON. */
  http: JsonObject;
  input?: string;
  output?: string;
  access?: string;
  readOnly?: true;
  answersStream?: true;
  asksStream?: true;
  deprecated?: true;
}

/**
 * A field, written `type name`: `string title`, `repeated State states`, `map<int32, string> labels`, `Book book`. Rules are
 * those of buf.validate, as JSON.
 */
export interface Shelf {
  messages?: Record<string, Record<string, FieldOptions>>;
  rpcs: Record<string, Rpc>;
  docs?: Record<string, string>;
}

interface FieldOptions {
  rules?: JsonObject;
  secret?: true;
  deprecated?: true;
  oneof?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
export type Document = any;

/** The document of a service that exists only in a test; `State` and `Book` are there to be used. */
export function documentOf({ messages = {}, rpcs, docs = {} }: Shelf): Document {
  const all = { Nothing: {}, Book: { "string name": {}, "string title": {} }, ...messages };
  const file = fromJson(
    FileDescriptorProtoSchema,
    {
      name: "shelf/v1/shelf.proto",
      package: "shelf.v1",
      syntax: "proto3",
      dependency: IMPORTS.map((one) => one.proto.name),
      enumType: [
        {
          name: "State",
          value: ["STATE_UNSPECIFIED", "OPEN", "SHUT"].map((name, number) => ({ name, number })),
        },
      ],
      messageType: Object.entries(all).map(([name, fields]) => messageProto(name, fields)),
      service: [{ name: "ShelfService", method: Object.entries(rpcs).map(([name, rpc]) => rpcProto(name, rpc)) }],
    },
    { registry: OPTIONS },
  );
  const registry = createFileRegistry(file, (name) => IMPORTS.find((one) => one.proto.name === name));
  const descriptor = registry.getService("shelf.v1.ShelfService")!;
  const handlers = Object.fromEntries(descriptor.methods.map(({ localName }) => [localName, () => ({})]));
  const methods = methodTable([{ descriptor, handlers }]).values();
  return openApi({ methods, docs, info: { title: "Shelf", version: "1" } });
}

function rpcProto(name: string, rpc: Rpc): JsonObject {
  return {
    name,
    inputType: qualified(rpc.input ?? "Nothing"),
    outputType: qualified(rpc.output ?? "Nothing"),
    clientStreaming: rpc.asksStream ?? false,
    serverStreaming: rpc.answersStream ?? false,
    options: {
      deprecated: rpc.deprecated ?? false,
      ...(rpc.readOnly && { idempotencyLevel: "NO_SIDE_EFFECTS" }),
      "[google.api.http]": rpc.http,
      "[backstay.options.v1.access]": rpc.access ?? "ACCESS_PUBLIC",
      "[backstay.options.v1.rate_class]": "RATE_CLASS_FREE",
    },
  };
}

function messageProto(name: string, fields: Record<string, FieldOptions>): JsonObject {
  const oneofs = [...new Set(Object.values(fields).flatMap(({ oneof }) => oneof ?? []))];
  const maps: JsonObject[] = [];
  const field = Object.entries(fields).map(([text, { rules, secret, deprecated, oneof }], index): JsonObject => {
    const map = /^map<(\w+), (\S+)> (\w+)$/.exec(text);
    const [repeated, type = "", id = ""] = /^(repeated )?(\S+) (\w+)$/.exec(text)?.slice(1) ?? [];
    const fieldName = map?.[3] ?? id;
    if (map !== null) {
      const entry = { name: "key", jsonName: "key", number: 1, ...typeOf(map[1]!) };
      const value = { name: "value", jsonName: "value", number: 2, ...typeOf(map[2]!) };
      maps.push({ name: entryOf(fieldName), field: [entry, value], options: { mapEntry: true } });
    }
    return {
      name: fieldName,
      jsonName: fieldName.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      number: index + 1,
      label: repeated || map ? "LABEL_REPEATED" : "LABEL_OPTIONAL",
      ...(map ? typeOf(`${name}.${entryOf(fieldName)}`) : typeOf(type)),
      ...(oneof !== undefined && { oneofIndex: oneofs.indexOf(oneof) }),
      options: {
        ...(secret && { debugRedact: true }),
        ...(deprecated && { deprecated: true }),
        ...(rules && { "[buf.validate.field]": rules }),
      },
    };
  });
  return { name, field, nestedType: maps, oneofDecl: oneofs.map((oneof) => ({ name: oneof })) };
}

function entryOf(field: string): string {
  return `${field[0]!.toUpperCase()}${field.slice(1)}Entry`;
}

function typeOf(type: string): JsonObject {
  if (type === "State") return { type: "TYPE_ENUM", typeName: qualified(type) };
  if (/^[A-Z]|\./.test(type)) return { type: "TYPE_MESSAGE", typeName: qualified(type) };
  return { type: `TYPE_${type.toUpperCase()}` };
}

function qualified(name: string): string {
  return name.startsWith("google.") ? `.${name}` : `.shelf.v1.${name}`;
}
