import { DomainError } from "./house.js";

const MALFORMED = /%(?![0-9A-Fa-f]{2})/;

/** Decodes text of a URL, where `field` is what it stands for. Throws INVALID_FIELD or INVALID_UTF8. */
export function percentDecode(text: string, field: string): string {
  if (!text.includes("%")) return text;
  if (MALFORMED.test(text)) {
    throw new DomainError("INVALID_FIELD", "A % in a URL must be followed by two hex digits.", { field });
  }
  try {
    return decodeURIComponent(text);
  } catch {
    throw new DomainError("INVALID_UTF8", undefined, { field });
  }
}

/** Decodes several segments, but leaves `%2F`: decoded it could not be told from what separates them. */
export function percentDecodeSegments(text: string, field: string): string {
  return percentDecode(text.replace(/%2f/gi, "%252F"), field);
}

/** Text of a request line, in which a character is a byte: what should have been escaped and was not, is. */
export function escapeBytes(text: string): string {
  return text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
}

/** The parameters of a query in their order, as they stand in it. */
export function splitQuery(query: string): [key: string, value: string][] {
  if (query === "") return [];
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const text = pair.replaceAll("+", " ");
      const at = text.indexOf("=");
      return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    });
}
