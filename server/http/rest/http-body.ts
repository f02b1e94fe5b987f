import { create, type DescField, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

/** google.api.HttpBody: bytes of any type in place of JSON. */
export type HttpBody = Message & { contentType: string; data: Uint8Array };

/** By name, so that every descriptor of it will do. */
export function isHttpBody(schema: DescMessage | undefined): boolean {
  return schema?.typeName === "google.api.HttpBody";
}

/** Where bytes stand: in the message itself, which is then an HttpBody, or in a field of it that is one. */
export type BytesPlace = "whole" | (DescField & { fieldKind: "message" });

/** The place of bytes when `field`, or the message when there is none, is an HttpBody. */
export function bytesPlace(schema: DescMessage, field: DescField | undefined): BytesPlace | undefined {
  if (field === undefined) return isHttpBody(schema) ? "whole" : undefined;
  return field.fieldKind === "message" && isHttpBody(field.message) ? field : undefined;
}

/** Puts bytes into a request. */
export function putBytes(
  schema: DescMessage,
  message: Message,
  place: BytesPlace,
  body: { contentType: string; data: Uint8Array },
): void {
  if (place === "whole") Object.assign(message, body);
  else
    reflect(schema, message).set(
      place,
      reflect(place.message, create(place.message, { ...body } as MessageInitShape<DescMessage>)),
    );
}

/** The bytes of an answer; none when its field is not set. */
export function bytesOf(schema: DescMessage, message: Message, place: BytesPlace): HttpBody {
  if (place === "whole") return message as HttpBody;
  return reflect(schema, message).get(place).message as HttpBody;
}

/** The type of an HttpBody is the verb's word, which a browser must not better. */
export const NOSNIFF = { "x-content-type-options": "nosniff" };

const NAMEABLE = /^[\t\x20-\x7e\x80-\xff]+$/;

/** The type as it can stand in a header. Throws for one that cannot, which no verb should answer. */
export function contentTypeOf({ contentType }: { contentType: string }): string {
  if (contentType === "") return "application/octet-stream";
  if (!NAMEABLE.test(contentType)) throw new Error("the content type of an HttpBody cannot stand in a header");
  return contentType;
}
