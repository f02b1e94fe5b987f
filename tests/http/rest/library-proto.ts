import { create, createFileRegistry, type DescService, type MessageInitShape, setExtension } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  MethodDescriptorProtoSchema,
  MethodOptionsSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { Access, access, RateClass, rate_class } from "#gen/backstay/options/v1/options_pb.js";
import { http } from "#gen/google/api/annotations_pb.js";
import { HttpRuleSchema } from "#gen/google/api/http_pb.js";
import { file_google_api_httpbody } from "#gen/google/api/httpbody_pb.js";

/** An RPC of a service that exists only in a test. */
export interface TestRpc {
  rule: MessageInitShape<typeof HttpRuleSchema>;
  /** A message of this file, or any of those it imports by its whole name with a dot before. */
  input: string;
  /** As the input when absent, so that handlers can echo. */
  output?: string;
  stream?: boolean;
  streamsRequests?: boolean;
  access?: Access;
}

const IMPORTS = [
  file_google_api_httpbody,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

/** A service of the package `library.v1` with these RPCs. */
export function libraryService(rpcs: Readonly<Record<string, TestRpc>>): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: "library/v1/library.proto",
    package: "library.v1",
    syntax: "proto3",
    dependency: IMPORTS.map((one) => one.proto.name),
    enumType: [
      {
        name: "State",
        value: [
          { name: "STATE_UNSPECIFIED", number: 0 },
          { name: "ACTIVE", number: 1 },
          { name: "GONE", number: 2 },
        ],
      },
    ],
    messageType: MESSAGES,
    service: [{ name: "LibraryService", method: Object.entries(rpcs).map(([name, rpc]) => rpcProto(name, rpc)) }],
  });
  const resolve = (name: string) => IMPORTS.find((one) => one.proto.name === name);
  return createFileRegistry(file, resolve).getService("library.v1.LibraryService")!;
}

function rpcProto(name: string, rpc: TestRpc) {
  const options = create(MethodOptionsSchema);
  setExtension(options, http, create(HttpRuleSchema, rpc.rule));
  setExtension(options, access, rpc.access ?? Access.PUBLIC);
  setExtension(options, rate_class, RateClass.FREE);
  return create(MethodDescriptorProtoSchema, {
    name,
    inputType: fullName(rpc.input),
    outputType: fullName(rpc.output ?? rpc.input),
    serverStreaming: rpc.stream ?? false,
    clientStreaming: rpc.streamsRequests ?? false,
    options,
  });
}

function fullName(message: string): string {
  return message.startsWith(".") ? message : `.library.v1.${message}`;
}

type FieldType = Type | `.${string}`;

function field(
  name: string,
  number: number,
  type: FieldType,
  more: MessageInitShape<typeof FieldDescriptorProtoSchema> = {},
) {
  const kind = typeof type === "number" ? { type } : { type: Type.MESSAGE, typeName: type };
  const jsonName = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return create(FieldDescriptorProtoSchema, { jsonName, name, number, label: Label.OPTIONAL, ...kind, ...more });
}

function message(
  name: string,
  fields: FieldDescriptorProto[],
  more: MessageInitShape<typeof DescriptorProtoSchema> = {},
): DescriptorProto {
  return create(DescriptorProtoSchema, { name, field: fields, ...more });
}

const HTTP_BODY = ".google.api.HttpBody";
const REPEATED = { label: Label.REPEATED };
const STATE = { typeName: ".library.v1.State" };
const CHOICE = { oneofDecl: [{ name: "choice" }] };

const MESSAGES = [
  message("Author", [field("name", 1, Type.STRING), field("born", 2, Type.INT32)]),
  message("Book", [
    field("name", 1, Type.STRING),
    field("title", 2, Type.STRING),
    field("shelf_mark", 3, Type.STRING),
    field("pages", 4, Type.INT32),
    field("author", 5, ".library.v1.Author"),
  ]),
  message("UpdateBook", [
    field("book", 1, ".library.v1.Book"),
    field("update_mask", 2, ".google.protobuf.FieldMask"),
    field("note", 3, Type.STRING),
  ]),
  message("MoveBooks", [field("parent", 1, Type.STRING), field("names", 2, Type.STRING, REPEATED)]),
  message("Key", [field("cache", 1, Type.STRING), field("key", 2, Type.STRING), field("by", 3, Type.UINT64)]),
  message(
    "Probe",
    [
      field("id", 1, Type.STRING),
      field("small", 2, Type.INT32),
      field("large", 3, Type.INT64),
      field("ratio", 4, Type.DOUBLE),
      field("narrow", 5, Type.FLOAT),
      field("flag", 6, Type.BOOL),
      field("raw_data", 7, Type.BYTES),
      field("state", 8, Type.ENUM, STATE),
      field("tags", 9, Type.STRING, REPEATED),
      field("states", 10, Type.ENUM, { ...STATE, ...REPEATED }),
      field("at", 11, ".google.protobuf.Timestamp"),
      field("wait", 12, ".google.protobuf.Duration"),
      field("mask", 13, ".google.protobuf.FieldMask"),
      field("maybe_number", 14, ".google.protobuf.Int32Value"),
      field("maybe_text", 15, ".google.protobuf.StringValue"),
      field("maybe_flag", 16, ".google.protobuf.BoolValue"),
      field("book", 17, ".library.v1.Book"),
      field("books", 18, ".library.v1.Book", REPEATED),
      field("labels", 19, ".library.v1.Probe.LabelsEntry", REPEATED),
      field("left", 20, Type.STRING, { oneofIndex: 0 }),
      field("right", 21, Type.STRING, { oneofIndex: 0 }),
    ],
    {
      ...CHOICE,
      nestedType: [
        message("LabelsEntry", [field("key", 1, Type.STRING), field("value", 2, Type.STRING)], {
          options: { mapEntry: true },
        }),
      ],
    },
  ),
  message(
    "Shelf",
    [
      field("name", 1, Type.STRING),
      field("label", 2, Type.STRING, { oneofIndex: 0 }),
      field("book", 3, ".library.v1.Book", { oneofIndex: 0 }),
      field("any", 4, ".google.protobuf.Any"),
      field("fields", 5, ".google.protobuf.Struct"),
      field("value", 6, ".google.protobuf.Value"),
    ],
    CHOICE,
  ),
  message(
    "Maybe",
    [
      field("count", 1, Type.INT32, { proto3Optional: true, oneofIndex: 0 }),
      field("state", 2, Type.ENUM, { ...STATE, proto3Optional: true, oneofIndex: 1 }),
      field("constructor", 3, Type.STRING, { proto3Optional: true, oneofIndex: 2 }),
    ],
    { oneofDecl: [{ name: "_count" }, { name: "_state" }, { name: "_constructor" }] },
  ),
  message("UpdateUpload", [
    field("upload", 1, ".library.v1.Upload"),
    field("update_mask", 2, ".google.protobuf.FieldMask"),
  ]),
  message("UpdateFile", [field("file", 1, HTTP_BODY), field("update_mask", 2, ".google.protobuf.FieldMask")]),
  message("Upload", [
    field("filename", 1, Type.STRING),
    field("folder", 2, Type.STRING),
    field("file", 3, HTTP_BODY),
    field("thumbnail", 4, Type.BYTES),
  ]),
  message("Stored", [field("filename", 1, Type.STRING), field("bytes", 2, Type.INT64), field("file", 3, HTTP_BODY)]),
  message("WatchNotes", [field("after_cursor", 1, Type.STRING), field("topic", 2, Type.STRING)]),
  message("Note", [field("cursor", 1, Type.STRING), field("text", 2, Type.STRING)]),
  message("Bye", [field("reason", 1, Type.STRING)]),
  message(
    "NoteOrBye",
    [field("note", 1, ".library.v1.Note", { oneofIndex: 0 }), field("bye", 2, ".library.v1.Bye", { oneofIndex: 0 })],
    CHOICE,
  ),
];
