import { isUtf8 } from "node:buffer";
import type { JsonValue } from "@bufbuild/protobuf";
import { formKind, parseForm } from "../http/form.js";
import { percentDecode, splitQuery } from "../http/rest/percent.js";
import { DomainError } from "../kernel/errors.js";

/** Parameters by name, each once: as text, or as the JSON they were given by. */
export type Parameters = ReadonlyMap<string, string | FreeJson>;

/** What a JSON body gave for a parameter that may be any value. */
export interface FreeJson {
  readonly json: JsonValue;
}

/** The parameters of a query, without those that are `ignored`. Throws INVALID_FIELD, INVALID_UTF8. */
export function readQuery(query: string, ignored: readonly string[]): Parameters {
  const pairs = splitQuery(query).map(([rawName, rawValue]): [string, string] => {
    const name = percentDecode(rawName, rawName);
    return [name, percentDecode(rawValue, name)];
  });
  return collect(pairs.filter(([name]) => !ignored.includes(name)));
}

/**
 * The parameters of a body: JSON, or a form of either kind. `untyped` reads text/plain as a form, which is how a page sends
 * one by fetch without saying so; `free` names parameters that JSON may give as any value. Rejects with UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY, INVALID_FIELD, INVALID_UTF8.
 */
export async function readBodyParameters(
  contentType: string | undefined,
  body: Buffer,
  { untyped, free }: { untyped: boolean; free: readonly string[] },
): Promise<Parameters> {
  const type = (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (type === "application/json") return readJson(body, free);
  if (formKind(contentType) !== undefined) return fromForm(contentType!, body);
  if (untyped && (type === "text/plain" || type === "")) return fromForm("application/x-www-form-urlencoded", body);
  throw new DomainError("UNSUPPORTED_MEDIA_TYPE", "The content type must be JSON or a form.");
}

async function fromForm(contentType: string, body: Buffer): Promise<Parameters> {
  const { fields, files } = await parseForm(contentType, body);
  return collect([...fields, ...files.map(({ name, bytes }): [string, string] => [name, bytes.toString("base64")])]);
}

function readJson(body: Buffer, free: readonly string[]): Parameters {
  if (!isUtf8(body)) throw new DomainError("INVALID_UTF8");
  let json: unknown;
  try {
    json = JSON.parse(body.toString("utf8"));
  } catch {
    throw new DomainError("MALFORMED_BODY", "The body is not JSON.");
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) {
    throw new DomainError("MALFORMED_BODY", "The body must be a JSON object.");
  }
  return collect(
    Object.entries(json).map(([name, value]) => [
      name,
      isMore(value) && free.includes(name) ? { json: value } : textOf(name, value),
    ]),
  );
}

/** Whether a JSON value is neither text nor nothing. */
function isMore(value: unknown): boolean {
  return typeof value !== "string" && value !== null;
}

/** A JSON value as the text a query would have carried: numbers where text is documented are taken. */
function textOf(name: string, value: unknown): string {
  if (value === null) return "";
  const items = Array.isArray(value) ? value : [value];
  if (items.every((item) => typeof item !== "object" || item === null))
    return items.map((item) => item ?? "").join(",");
  throw new DomainError("WRONG_TYPE", `The parameter ${name} must be text, a number or a list.`, { field: name });
}

function collect(pairs: readonly [name: string, value: string | FreeJson][]): Parameters {
  const parameters = new Map<string, string | FreeJson>();
  for (const [name, value] of pairs) {
    // JSON can spell half a character, which no text has.
    if (!name.isWellFormed()) throw new DomainError("INVALID_UTF8");
    if (typeof value === "string" && !value.isWellFormed())
      throw new DomainError("INVALID_UTF8", undefined, { field: name });
    if (parameters.has(name)) {
      throw new DomainError("INVALID_FIELD", `The parameter ${name} is given twice.`, { field: name });
    }
    parameters.set(name, value);
  }
  return parameters;
}
