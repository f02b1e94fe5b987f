import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import { Busboy } from "@fastify/busboy";
import { DomainError } from "../kernel/errors.js";
import { percentDecode, splitQuery } from "./rest/index.js";

/** What a form says, in the order in which it says it. */
export interface Form {
  readonly fields: [name: string, value: string][];
  readonly files: FormFile[];
}

export interface FormFile {
  readonly name: string;
  /** As its sender calls it, without folders. */
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

/** The two ways in which browsers send a form. */
export type FormKind = "urlencoded" | "multipart";

const KINDS: ReadonlyMap<string, FormKind> = new Map([
  ["application/x-www-form-urlencoded", "urlencoded"],
  ["multipart/form-data", "multipart"],
]);

/** A form of more parts than this was not filled in by anyone. */
const MAX_PARTS = 1_000;
const PART_LIMITS = { parts: MAX_PARTS, headerPairs: 20, headerSize: 8 * 1024 };

/** What kind of form a content type announces, if any. */
export function formKind(contentType: string | undefined): FormKind | undefined {
  return KINDS.get((contentType ?? "").split(";", 1)[0]!.trim().toLowerCase());
}

/**
 * The form that stands in a body. Rejects with UNSUPPORTED_MEDIA_TYPE, MESSAGE_TOO_LARGE, MALFORMED_BODY, INVALID_FIELD,
 * INVALID_UTF8.
 */
export async function parseForm(contentType: string | undefined, body: Buffer): Promise<Form> {
  const kind = formKind(contentType);
  if (kind === "urlencoded") return { fields: parseUrlencoded(body), files: [] };
  if (kind === "multipart") return parseMultipart(contentType!, body);
  throw new DomainError("UNSUPPORTED_MEDIA_TYPE", `The content type must be ${[...KINDS.keys()].join(" or ")}.`);
}

function parseUrlencoded(raw: Buffer): [name: string, value: string][] {
  const pairs = splitQuery(textOf(raw));
  if (pairs.length > MAX_PARTS) throw tooMany();
  return pairs.map(([rawName, rawValue]) => {
    const name = percentDecode(rawName, rawName);
    return [name, percentDecode(rawValue, name)];
  });
}

interface Part {
  readonly name: string | undefined;
  readonly filename: string | undefined;
  readonly contentType: string;
  readonly chunks: Buffer[];
}

/** The library would guess at the encoding of text, so that it is given every part as if it were a file. */
function parseMultipart(contentType: string, raw: Buffer): Promise<Form> {
  const parts: Part[] = [];
  return new Promise<Part[]>((resolve, reject) => {
    const malformed = () => reject(new DomainError("MALFORMED_BODY", "The body is not multipart/form-data."));
    try {
      const parser = new Busboy({
        headers: { "content-type": contentType },
        limits: PART_LIMITS,
        isPartAFile: () => true,
      });
      parser.on("file", (name: string | undefined, stream, filename: string | undefined, encoding, type) => {
        const part: Part = { name, filename, contentType: type, chunks: [] };
        parts.push(part);
        stream.on("error", malformed);
        stream.on("data", (chunk: Buffer) => part.chunks.push(chunk));
        if (name === undefined || !["7bit", "8bit", "binary"].includes(encoding)) malformed();
      });
      parser.on("partsLimit", () => reject(tooMany()));
      parser.on("error", malformed);
      parser.on("finish", () => resolve(parts));
      Readable.from([raw], { objectMode: false }).pipe(parser);
    } catch {
      malformed();
    }
  }).then(sortParts);
}

function sortParts(parts: readonly Part[]): Form {
  const form: Form = { fields: [], files: [] };
  for (const { name = "", filename, contentType, chunks } of parts) {
    const bytes = Buffer.concat(chunks);
    if (filename === undefined) form.fields.push([name, textOf(bytes, name)]);
    else form.files.push({ name, filename, contentType, bytes });
  }
  return form;
}

function textOf(bytes: Buffer, field?: string): string {
  if (!isUtf8(bytes)) throw new DomainError("INVALID_UTF8", undefined, field === undefined ? {} : { field });
  return bytes.toString("utf8");
}

function tooMany(): DomainError {
  return new DomainError("MESSAGE_TOO_LARGE", `The form has more than ${MAX_PARTS} parts.`);
}
