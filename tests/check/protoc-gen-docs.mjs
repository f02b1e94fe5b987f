/**
 * A plugin of protoc: prints docs.json, the comments above everything in our protos by full name, because the code that
 * protoc-gen-es makes carries none at run time. A method, field or value is named after what it stands in, such as
 * `backstay.accounts.v1.Account.id`. `package=backstay` says whose protos are ours.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponse_Feature,
  CodeGeneratorResponseSchema,
  Edition,
} from "@bufbuild/protobuf/wkt";

/** The field numbers of descriptor.proto, of which the path to a comment is made. */
const FILE = { message: 4, enum: 5, service: 6 };
const MESSAGE = { field: 2, nested: 3, enum: 4, oneof: 8 };
const ELEMENTS = 2;

const request = fromBinary(CodeGeneratorRequestSchema, readFileSync(0));
const ours = `${/^package=(\S+)$/.exec(request.parameter)?.[1]}.`;
const files = request.protoFile.filter(
  (file) => request.fileToGenerate.includes(file.name) && file.package.startsWith(ours),
);
const response = create(CodeGeneratorResponseSchema, {
  supportedFeatures: BigInt(
    CodeGeneratorResponse_Feature.PROTO3_OPTIONAL | CodeGeneratorResponse_Feature.SUPPORTS_EDITIONS,
  ),
  minimumEdition: Edition.EDITION_PROTO2,
  maximumEdition: Edition.EDITION_2024,
});
if (files.length > 0) {
  const comments = files.flatMap(commentsOf).sort(([a], [b]) => (a < b ? -1 : 1));
  const content = `${JSON.stringify(Object.fromEntries(comments), null, 1)}\n`;
  response.file = [{ $typeName: "google.protobuf.compiler.CodeGeneratorResponse.File", name: "docs.json", content }];
}
writeFileSync(1, toBinary(CodeGeneratorResponseSchema, response));

function commentsOf(file) {
  const names = namesOf(file);
  return (file.sourceCodeInfo?.location ?? []).flatMap(({ path, leadingComments }) => {
    const name = names.get(path.join());
    const text = leadingComments.replace(/^ /gm, "").trim();
    return name === undefined || text === "" ? [] : [[name, text]];
  });
}

/** The full name of everything in a file, by the path that leads to it. */
function namesOf(file) {
  const names = new Map();
  const all = (list, parent, path, visit) => {
    for (const [index, one] of list.entries()) {
      const name = `${parent}.${one.name}`;
      const place = [...path, index];
      names.set(place.join(), name);
      visit?.(one, name, place);
    }
  };
  const inEnum = ({ value }, name, path) => all(value, name, [...path, ELEMENTS]);
  const inService = ({ method }, name, path) => all(method, name, [...path, ELEMENTS]);
  const inMessage = (message, name, path) => {
    all(message.field, name, [...path, MESSAGE.field]);
    all(message.oneofDecl, name, [...path, MESSAGE.oneof]);
    all(message.enumType, name, [...path, MESSAGE.enum], inEnum);
    all(message.nestedType, name, [...path, MESSAGE.nested], inMessage);
  };
  all(file.messageType, file.package, [FILE.message], inMessage);
  all(file.enumType, file.package, [FILE.enum], inEnum);
  all(file.service, file.package, [FILE.service], inService);
  return names;
}
