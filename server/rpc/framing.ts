import type { Door } from "./call.js";
import type { Format } from "./codec.js";
import type { Request } from "./dispatcher.js";
import type { Method } from "./methods.js";
import { queryOf } from "./url.js";

/** How a request is framed. */
export interface Framing {
  door: Door;
  format: Format;
  enveloped: boolean;
}

const FRAMINGS = new Map<string, Framing>([
  ["application/grpc", { door: "grpc", format: "proto", enveloped: true }],
  ["application/grpc+proto", { door: "grpc", format: "proto", enveloped: true }],
  ["application/grpc+json", { door: "grpc", format: "json", enveloped: true }],
  ["application/grpc-web", { door: "grpc-web", format: "proto", enveloped: true }],
  ["application/grpc-web+proto", { door: "grpc-web", format: "proto", enveloped: true }],
  ["application/grpc-web+json", { door: "grpc-web", format: "json", enveloped: true }],
  ["application/connect+proto", { door: "connect", format: "proto", enveloped: true }],
  ["application/connect+json", { door: "connect", format: "json", enveloped: true }],
  ["application/proto", { door: "connect", format: "proto", enveloped: false }],
  ["application/json", { door: "connect", format: "json", enveloped: false }],
]);

/** A media type, and the one parameter that one of JSON may have. */
const CONTENT_TYPE = /^\s*([^\s;]+)\s*(?:;\s*charset\s*=\s*("?)utf-?8\2\s*)?$/i;
const WITH_CHARSET = /[/+]json$/;

/** The media type of a body in lower case, alone; empty when its content type says what nobody here understands. */
export function mediaTypeOf(req: Request): string {
  const header = req.headers["content-type"] ?? "";
  const type = CONTENT_TYPE.exec(header)?.[1]?.toLowerCase() ?? "";
  return header.includes(";") && !WITH_CHARSET.test(type) ? "" : type;
}

/** The framing of a request for `method`, or undefined when its content type is none of Connect's and gRPC's. */
export function framingOf(req: Request, method: Method): Framing | undefined {
  const streams = method.stream || method.streamsRequests;
  if (req.method === "GET" && method.readOnly && !streams) {
    const format = parametersOf(req).get("encoding");
    return format === "json" || format === "proto" ? { door: "connect", format, enveloped: false } : undefined;
  }
  const framing = FRAMINGS.get(mediaTypeOf(req));
  const fits = framing?.door !== "connect" || framing.enveloped === streams;
  return fits && req.method === "POST" ? framing : undefined;
}

/** What the messages of a body are compressed with, as its headers say. */
export function encodingOf(req: Request, { door }: Framing): string | undefined {
  const encoding = req.headers[door === "connect" ? "connect-content-encoding" : "grpc-encoding"];
  return typeof encoding === "string" ? encoding.toLowerCase() : undefined;
}

/** The parameters of a Connect GET. */
export function parametersOf(req: Request): URLSearchParams {
  return new URLSearchParams(queryOf(req.url));
}

/** The bytes of a query parameter: made text at once, those that are no UTF-8 would become others that are. */
export function rawParameter(req: Request, name: string): Buffer {
  const parameter = queryOf(req.url)
    .split("&")
    .find((one) => one.startsWith(`${name}=`));
  const latin1 = (parameter ?? "")
    .slice(name.length + 1)
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, "latin1");
}
