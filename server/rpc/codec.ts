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
import { jsonFault } from "./json-fault.js";

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
        throw jsonFault(schema, text, error, options);
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

/** Looks at every text in turn and not by recursion: fields that are ignored may be as deep as their sender likes. */
function isWellFormed(json: unknown): boolean {
  const left = [json];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "string") {
      if (!value.isWellFormed()) return false;
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (!key.isWellFormed()) return false;
        left.push(inner);
      }
    }
  }
  return true;
}

function decodeBinary(schema: DescMessage, body: Buffer): Message {
  try {
    return fromBinary(schema, body, { readUnknownFields: false });
  } catch (error) {
    if (error instanceof TypeError && error.message.includes("utf-8")) throw new DomainError("INVALID_UTF8");
    throw new DomainError("MALFORMED_BODY", `The body is not a binary ${schema.typeName}.`);
  }
}
