import type { DescField, JsonObject } from "@bufbuild/protobuf";
import type { Binding } from "../rest/bindings.js";
import { emptyJson } from "../rest/message-json.js";
import { commentOf, type Docs, described } from "./docs.js";
import { boundsOf } from "./rules.js";
import type { Schemas } from "./schemas.js";
import { nullable } from "./well-known.js";

const JSON_TYPE = "application/json";
const BYTES: JsonObject = { "*/*": { schema: { contentMediaType: "application/octet-stream" } } };

/** Describes what is sent, if anything is. */
export function requestBody(binding: Binding, schemas: Schemas, docs: Docs): { requestBody?: JsonObject } {
  const { body, method, takesBytes } = binding;
  if (body === "none") return {};
  const says = commentOf(docs, body === "whole" ? method.input : body);
  if (takesBytes !== undefined) {
    return { requestBody: { ...described(says || "Bytes of the type that `content-type` names."), content: BYTES } };
  }
  const inPath = fieldsInPath(binding);
  const message = body === "whole" ? method.input : body.fieldKind === "message" ? body.message : undefined;
  const isWhole = message === undefined || inPath.size === 0;
  const schema = isWhole ? jsonSchema(binding, body, schemas) : schemas.messageWithout(message, inPath);
  const needs = (field: DescField) => boundsOf(field).required && !inPath.has(field.jsonName);
  const required = body === "whole" ? method.input.fields.some(needs) : boundsOf(body).required;
  return { requestBody: { ...described(says), content: { [JSON_TYPE]: { schema } }, required } };
}

/** Fields of the body's message that stand in the path, where they are said already. */
function fieldsInPath({ variables, body }: Binding): ReadonlySet<string> {
  const inBody = variables.filter(({ path }) => {
    const [first, second, ...more] = path.fields;
    return body === "whole" ? second === undefined : first === body && second !== undefined && more.length === 0;
  });
  return new Set(inBody.map(({ path }) => path.field.jsonName));
}

function jsonSchema({ method }: Binding, body: "whole" | DescField, schemas: Schemas): JsonObject {
  if (body === "whole") return schemas.message(method.input);
  // What the comment of the field says stands beside.
  const { description: _, ...schema } = schemas.field(body);
  return schema;
}

/** Describes the answer when all went well. */
export function success(binding: Binding, schemas: Schemas, docs: Docs): JsonObject {
  const { method, responseBody, givesBytes } = binding;
  const says = commentOf(docs, responseBody ?? method.output);
  const headers = { "x-request-id": { $ref: "#/components/headers/x-request-id" } };
  if (givesBytes !== undefined) return { description: says || "Bytes of any type.", headers, content: BYTES };
  const schema = responseBody === undefined ? schemas.message(method.output) : answered(responseBody, schemas);
  if (method.stream) return { description: `${says}\n\n${STREAM}`.trim(), headers, content: streamContent(schema) };
  return { description: says || "The answer.", headers, content: { [JSON_TYPE]: { schema } } };
}

/** A field that is the whole answer stands there also when it is not set, some types as null. */
function answered(field: DescField, schemas: Schemas): JsonObject {
  const schema = schemas.field(field);
  return typeof schema.type === "string" && emptyJson(field) === null ? nullable(schema) : schema;
}

const STREAM =
  "A stream, in the form that `accept` asks for. `application/x-ndjson`: one message a line; when it fails, the last line " +
  'is `{"error": …}` with a google.rpc.Status. `text/event-stream`: one message in each `data:`, with an `id:` to resume ' +
  "after where it has a cursor; when it fails, an `event: error` with a google.rpc.Status ends it. `application/json`, or " +
  "anything else: an array of messages, broken off when it fails.";

function streamContent(schema: JsonObject): JsonObject {
  return {
    "application/x-ndjson": { schema: { description: "Each line.", ...schema } },
    "text/event-stream": { schema: { description: "Each `data:`.", ...schema } },
    [JSON_TYPE]: { schema: { type: "array", items: schema } },
  };
}
