import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** The JSON value that text in a path or query stands for; the JSON reader then judges whether it fits. */
export type ReadText = (text: string) => JsonValue;

const asIs: ReadText = (text) => text;
const readEnum: ReadText = (text) => (/^-?\d+$/.test(text) ? Number(text) : text);

/** How text becomes a value of `field` (of one item, when it is a list); undefined when no text can. */
export function textReader(field: DescField): ReadText | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return scalarReader(field.scalar);
    case "enum":
      return readEnum;
    case "message":
      return messageReader(field.message);
    case "list":
      if (field.listKind === "scalar") return scalarReader(field.scalar);
      return field.listKind === "enum" ? readEnum : messageReader(field.message);
    case "map":
      return undefined;
  }
}

/** Whether every text is a value of `field`, to be kept as it is. */
export function isPlainText(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.STRING && field.oneof === undefined;
}

const INTEGER = /^-?\d+$/;
const NUMBER = /^(-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|NaN|-?Infinity)$/i;

/** What no number is, so that the JSON reader refuses it: left to itself it takes blanks and hexadecimals too. */
const NO_NUMBER = false;

function scalarReader(type: ScalarType): ReadText {
  switch (type) {
    case ScalarType.STRING:
      return asIs;
    case ScalarType.BYTES:
      // In a query a plus that was not escaped has become a space, which base64 has none of.
      return (text) => text.replaceAll(" ", "+");
    case ScalarType.BOOL:
      return (text) => (text === "true" ? true : text === "false" ? false : text);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (text) => (NUMBER.test(text) ? text : NO_NUMBER);
    default:
      return (text) => (INTEGER.test(text) ? text : NO_NUMBER);
  }
}

function messageReader(desc: DescMessage): ReadText | undefined {
  const wrapped = isWrapperDesc(desc) ? desc.fields[0] : undefined;
  if (wrapped !== undefined) {
    const read = textReader(wrapped);
    return read && ((text) => read(unquoted(text)));
  }
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
    case "google.protobuf.Duration":
      return asIs;
    case "google.protobuf.FieldMask":
      // Masks are written by hand in URLs, so names are taken as the proto spells them too.
      return (text) => text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    default:
      return undefined;
  }
}

/** Who writes a wrapper as JSON puts its text in quotes. */
function unquoted(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}
