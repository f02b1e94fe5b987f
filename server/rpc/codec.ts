import { isUtf8 } from "node:buffer";
import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  type Message,
  type Registry,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { DomainError } from "../kernel/errors.js";

/** How messages stand in a body. */
export type Format = "json" | "proto";

export interface Codec {
  decode(format: Format, schema: DescMessage, body: Buffer): Message;
  encode(format: Format, schema: DescMessage, message: Message): string | Uint8Array;
}

export interface CodecOptions {
  ignoreUnknownFields: boolean;
  /** Whether JSON shows fields that have their default value too. */
  emitDefaults?: boolean;
  registry?: Registry;
}

/** Reads and writes messages; what cannot be read is told by reason and field, never by repeating what was sent. */
export function createCodec(options: CodecOptions): Codec {
  const writing = { ...options, alwaysEmitImplicit: options.emitDefaults ?? false };
  return {
    decode(format, schema, body) {
      if (format === "proto") return decodeBinary(schema, body);
      if (!isUtf8(body)) throw new DomainError("INVALID_UTF8");
      const text = body.toString("utf8");
      let message: Message;
      try {
        message = fromJsonString(schema, text, options);
      } catch (error) {
        throw jsonError(schema, error);
      }
      // The library looks for halves of characters in text fields, but not in free JSON.
      if (SURROGATE.test(text) && !isWellFormed(JSON.parse(text))) throw new DomainError("INVALID_UTF8");
      return message;
    },
    encode: (format, schema, message) =>
      format === "json" ? toJsonString(schema, message, writing) : toBinary(schema, message),
  };
}

/** How half a character can stand in JSON whose bytes are UTF-8. */
const SURROGATE = /\\ud[89a-f]/i;

function isWellFormed(json: unknown): boolean {
  if (typeof json === "string") return json.isWellFormed();
  if (typeof json !== "object" || json === null) return true;
  return Object.entries(json).every(([key, value]) => key.isWellFormed() && isWellFormed(value));
}

function decodeBinary(schema: DescMessage, body: Buffer): Message {
  try {
    return fromBinary(schema, body, { readUnknownFields: false });
  } catch (error) {
    if (error instanceof TypeError && error.message.includes("utf-8")) throw new DomainError("INVALID_UTF8");
    throw new DomainError("MALFORMED_BODY", `The body is not a binary ${schema.typeName}.`);
  }
}

/** The library tells what is wrong only in its text, which also repeats the value; take the name and leave the value. */
function jsonError(schema: DescMessage, error: unknown): DomainError {
  const text = (error as Error).message;
  const field = /^cannot decode field ([\w.]+) from JSON/.exec(text)?.[1];
  if (field !== undefined) {
    const name = jsonName(schema, field);
    if (text.endsWith("invalid UTF8")) return new DomainError("INVALID_UTF8", undefined, { field: name });
    if (text.endsWith("set multiple times")) return givenTwice(name);
    return new DomainError("WRONG_TYPE", `The field ${name} has a value of another type.`, { field: name });
  }
  const unknown = /key "([^"]*)" is unknown$/.exec(text)?.[1];
  if (unknown !== undefined) {
    return new DomainError("UNKNOWN_FIELD", `There is no field ${unknown}.`, { field: unknown });
  }
  const twice = /duplicate object key "([^"]*)"$/.exec(text)?.[1];
  if (twice !== undefined) return givenTwice(twice);
  const inner = /^cannot decode message ([\w.]+) from JSON/.exec(text)?.[1];
  const owners = schema.fields.filter((candidate) => candidate.message?.typeName === inner);
  if (inner !== schema.typeName && owners.length === 1) {
    const name = owners[0]!.jsonName;
    return new DomainError("WRONG_TYPE", `The field ${name} has a value of another type.`, { field: name });
  }
  return new DomainError("MALFORMED_BODY", `The body is not the JSON of a ${schema.typeName}.`);
}

function givenTwice(field: string): DomainError {
  return new DomainError("MALFORMED_BODY", `The field ${field} is given twice.`, { field });
}

function jsonName(schema: DescMessage, qualified: string): string {
  const name = qualified.slice(qualified.lastIndexOf(".") + 1);
  return schema.fields.find((field) => field.name === name)?.jsonName ?? name;
}
