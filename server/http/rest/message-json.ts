import { create, type JsonObject, type Message, toJson } from "@bufbuild/protobuf";
import type { Binding } from "./bindings.js";
import type { Codec } from "./house.js";

/** How the messages a binding answers are written. */
export function messageWriter({ method, responseBody }: Binding, codec: Codec): (message: Message) => string {
  const { output } = method;
  const write = (message: Message) => codec.encode("json", output, message) as string;
  if (responseBody === undefined) return write;
  const { jsonName } = responseBody;
  const zero = (toJson(output, create(output), { alwaysEmitImplicit: true }) as JsonObject)[jsonName] ?? {};
  return (message) => JSON.stringify((JSON.parse(write(message)) as JsonObject)[jsonName] ?? zero);
}
