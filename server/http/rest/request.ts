import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Codec } from "../../rpc/codec.js";
import type { Request } from "../../rpc/dispatcher.js";
import type { PathVariable } from "./bindings.js";
import { findField, setField } from "./field-path.js";
import { percentDecode, percentDecodeSegments } from "./percent.js";
import { bindQuery } from "./query.js";
import { decodeRequestBody, readRequestBody } from "./request-body.js";
import type { RestMatch } from "./router.js";
import { fillUpdateMask } from "./update-mask.js";

export interface ReadOptions {
  /** The most bytes of a body. */
  limit: number;
  ignoreUnknownFields: boolean;
}

/** The request message: the body's, then what the query and, above all, the path say. */
export async function readRequest(
  req: Request,
  { binding, segments }: RestMatch,
  codec: Codec,
  options: ReadOptions,
): Promise<Message> {
  const { input, stream } = binding.method;
  const body = await readRequestBody(req, binding, options.limit);
  const message = decodeRequestBody(binding, body, codec);
  bindQuery(binding, queryOf(req), message, options);
  fillUpdateMask(binding, body, message);
  for (const variable of binding.variables) {
    setField(input, message, variable.path, variable.read(textOf(variable, segments)), options);
  }
  if (stream) resume(input, message, req.headers["last-event-id"], options);
  return message;
}

function textOf({ from, path }: PathVariable, segments: readonly string[]): string {
  const text = segments.slice(from.start, from.end).join("/");
  return from.spans ? percentDecodeSegments(text, path.name) : percentDecode(text, path.name);
}

function queryOf(req: Request): string {
  const url = req.url ?? "";
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at + 1);
}

/**
 * An EventSource that reconnects repeats its URL and adds the last id it saw, so the header is the newer of two cursors.
 */
function resume(
  input: DescMessage,
  message: Message,
  lastId: string | string[] | undefined,
  options: ReadOptions,
): void {
  if (typeof lastId !== "string" || lastId === "") return;
  const path = findField(input, "after_cursor");
  if (path !== undefined) setField(input, message, path, lastId, options);
}
