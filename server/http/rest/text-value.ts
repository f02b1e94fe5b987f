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

function scalarReader(type: ScalarType): ReadText {
  if (type === ScalarType.BOOL) return (text) => (text === "true" ? true : text === "false" ? false : text);
  // In a query a plus that was not escaped has become a space, which base64 has none of.
  if (type === ScalarType.BYTES) return (text) => text.replaceAll(" ", "+");
  return asIs;
}

function messageReader(desc: DescMessage): ReadText | undefined {
  const wrapped = isWrapperDesc(desc) ? desc.fields[0] : undefined;
  if (wrapped !== undefined) return textReader(wrapped);
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
