import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";

/** Reads what a stream resumes after from one of its messages. */
export type EventId = (message: Message) => string | undefined;

/** A message's own text field of one of these names, or that of the member its oneof has set. */
export function eventIdOf(schema: DescMessage, names: readonly string[]): EventId {
  const isCursor = (field: DescField) =>
    names.includes(field.name) && field.fieldKind === "scalar" && field.scalar === ScalarType.STRING && !field.oneof;
  const own = schema.fields.find(isCursor);
  if (own !== undefined) return (message) => textOf(message, own);
  const members = new Map<string, DescField>();
  for (const field of schema.fields) {
    const cursor = field.fieldKind === "message" && field.oneof ? field.message.fields.find(isCursor) : undefined;
    if (cursor !== undefined) members.set(field.localName, cursor);
  }
  return (message) => {
    for (const { localName } of schema.oneofs) {
      const chosen = (message as unknown as Record<string, { case?: string; value?: Message }>)[localName];
      const cursor = members.get(chosen?.case ?? "");
      if (cursor !== undefined && chosen?.value !== undefined) return textOf(chosen.value, cursor);
    }
    return undefined;
  };
}

/** Text that would break its line is none that could come back in a header. */
function textOf(message: Message, field: DescField): string | undefined {
  const text = (message as unknown as Record<string, string>)[field.localName];
  return text && /^[\x20-\x7e]+$/.test(text) ? text : undefined;
}
