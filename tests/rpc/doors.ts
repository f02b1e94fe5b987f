import http2 from "node:http2";
import {
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  getOption,
  type JsonObject,
  toBinary,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { http } from "#gen/google/api/annotations_pb.js";
import { BadRequestSchema, ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "#gen/google/rpc/status_pb.js";

/** One call of a method, as bytes. What is absent cannot be sent: by a door that would need it, the call cannot be made. */
export interface Attempt {
  method: DescMethodUnary;
  token?: string | undefined;
  json?: Buffer | undefined;
  binary?: Uint8Array | undefined;
  /** Headers that mean the same at every door. */
  headers?: Record<string, string>;
  /** The header that says how long the call may take, as it is spelled. */
  timeout?: { connect?: string; grpc?: string; rest?: string };
  /** The encoding that `json` and `binary` are in already. */
  encoding?: string;
}

/** What became of it. */
export interface Outcome {
  /** Empty when it was carried out. */
  code: string;
  reason: string;
  fields: string[];
  /** The status of HTTP. */
  http: number;
  /** Everything the answer says, details in the clear. */
  text: string;
}

/** A way in. */
export interface Door {
  name: string;
  takes(attempt: Attempt): boolean;
  call(url: string, attempt: Attempt): Promise<Outcome>;
}

const CODES = [
  "",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

export const pathOf = (method: DescMethodUnary) => `/${method.parent.typeName}/${method.name}`;

/** The attempt of a message that can be written in both forms. */
export function attempt(
  method: DescMethodUnary,
  message: JsonObject,
  more: Omit<Attempt, "method" | "json" | "binary"> = {},
): Attempt {
  return {
    method,
    json: Buffer.from(JSON.stringify(message)),
    binary: toBinary(method.input as DescMessage, fromJson(method.input as DescMessage, message)),
    ...more,
  };
}

const isReadOnly = (method: DescMethodUnary) => method.idempotency === 1;

function headersOf({ token, headers, timeout }: Attempt, protocol: "connect" | "grpc" | "rest") {
  const names = { connect: "connect-timeout-ms", grpc: "grpc-timeout", rest: "x-server-timeout" };
  return {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(timeout?.[protocol] !== undefined && { [names[protocol]]: timeout[protocol] }),
    ...headers,
  };
}

const sendable = ({ timeout }: Attempt, protocol: "connect" | "grpc" | "rest") =>
  timeout === undefined || timeout[protocol] !== undefined;

function connectPost(name: string, form: "json" | "binary", type: string): Door {
  return {
    name,
    takes: (attempt) => attempt[form] !== undefined && sendable(attempt, "connect"),
    async call(url, attempt) {
      const headers = { "content-type": type, ...headersOf(attempt, "connect") };
      const encoding: Record<string, string> =
        attempt.encoding === undefined ? {} : { "content-encoding": attempt.encoding };
      const response = await fetch(url + pathOf(attempt.method), {
        method: "POST",
        headers: { ...headers, ...encoding },
        body: Buffer.from(attempt[form]!),
      });
      return connectOutcome(response.status, await response.text());
    },
  };
}

function connectGet(name: string, form: "json" | "binary", encoding: string): Door {
  return {
    name,
    takes: (attempt) => attempt[form] !== undefined && isReadOnly(attempt.method) && sendable(attempt, "connect"),
    async call(url, attempt) {
      const bytes = Buffer.from(attempt[form]!);
      const asText = form === "json" && attempt.encoding === undefined;
      const message = asText
        ? [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")
        : bytes.toString("base64url");
      const compression = attempt.encoding === undefined ? "" : `&compression=${attempt.encoding}`;
      const query = `connect=v1&encoding=${encoding}&message=${message}${asText ? "" : "&base64=1"}${compression}`;
      const response = await fetch(`${url}${pathOf(attempt.method)}?${query}`, {
        headers: headersOf(attempt, "connect"),
      });
      return connectOutcome(response.status, await response.text());
    },
  };
}

/** The outcome that a Connect answer tells. */
export function connectOutcome(status: number, text: string): Outcome {
  if (status === 200) return { code: "", reason: "", fields: [], http: status, text };
  const json = JSON.parse(text) as { code: string; details?: { type: string; debug: JsonObject }[] };
  const debug = (type: string) => json.details?.find((detail) => detail.type === type)?.debug;
  return {
    code: json.code,
    reason: String(debug("google.rpc.ErrorInfo")?.reason ?? ""),
    fields: fieldsOf(debug("google.rpc.BadRequest")),
    http: status,
    text,
  };
}

const rest: Door = {
  name: "REST",
  takes: (attempt) => attempt.json !== undefined && sendable(attempt, "rest") && restRequest(attempt) !== undefined,
  async call(url, attempt) {
    const { method, path, body } = restRequest(attempt)!;
    const headers: Record<string, string> = headersOf(attempt, "rest");
    if (body !== undefined) headers["content-type"] = "application/json";
    if (body !== undefined && attempt.encoding !== undefined) headers["content-encoding"] = attempt.encoding;
    const response = await fetch(url + path, { method, headers, ...(body && { body: Buffer.from(body) }) });
    return restOutcome(response.status, await response.text());
  },
};

/** The outcome that a google.rpc.Status tells. */
export function restOutcome(status: number, text: string): Outcome {
  if (status === 200) return { code: "", reason: "", fields: [], http: status, text };
  const json = JSON.parse(text) as { code: number; details: JsonObject[] };
  const detail = (type: string) => json.details.find((one) => one["@type"] === `type.googleapis.com/${type}`);
  return {
    code: CODES[json.code] ?? "unknown",
    reason: String(detail("google.rpc.ErrorInfo")?.reason ?? ""),
    fields: fieldsOf(detail("google.rpc.BadRequest")),
    http: status,
    text,
  };
}

function fieldsOf(badRequest: JsonObject | undefined): string[] {
  return ((badRequest?.fieldViolations ?? []) as { field: string }[]).map(({ field }) => field);
}

/** The REST request that means the same, where the method's rule lets the bytes through as they are. */
function restRequest({ method: rpc, json, encoding }: Attempt) {
  const { pattern, body } = getOption(rpc, http);
  const method = pattern.case!.toUpperCase();
  const template = pattern.value as string;
  if (body === "*" && !template.includes("{")) return { method, path: template, body: json };
  if (encoding !== undefined) return undefined;
  let fields: JsonObject;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
    // Too deep to be written again, or not as it was.
    if (Array.isArray(fields) || JSON.stringify(fields) !== json?.toString()) return undefined;
  } catch {
    return undefined;
  }
  const path = template.replace(/\{(\w+)\}/g, (_, field: string) => {
    const name = field.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const value = String(fields[name] ?? "");
    delete fields[name];
    return encodeURIComponent(value);
  });
  if (path.includes("{") || path.includes("//") || path.endsWith("/")) return undefined;
  if (body === "*") return { method, path, body: Buffer.from(JSON.stringify(fields)) };
  const query = Object.entries(fields).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (one) => `${encodeURIComponent(name)}=${encodeURIComponent(String(one))}`,
    ),
  );
  return { method, path: query.length === 0 ? path : `${path}?${query.join("&")}`, body: undefined };
}

/** A message in the envelope of gRPC and of Connect's streams. */
export function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const grpcJs: Door = {
  name: "gRPC by grpc-js",
  takes: ({ binary, timeout, encoding }) => binary !== undefined && timeout === undefined && encoding === undefined,
  async call(url, { method, token, headers, binary }) {
    const client = new Client(new URL(url).host, credentials.createInsecure());
    const metadata = new Metadata();
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
    const bytes = (message: Buffer) => message;
    try {
      const error = await new Promise<ServiceError | null>((resolve) => {
        client.makeUnaryRequest(pathOf(method), bytes, bytes, Buffer.from(binary!), metadata, resolve);
      });
      if (error === null) return { code: "", reason: "", fields: [], http: 200, text: "" };
      const [details] = error.metadata.get("grpc-status-details-bin");
      return grpcOutcome(error.code, error.details, details as Buffer | undefined);
    } finally {
      client.close();
    }
  },
};

/** gRPC whose every byte is ours: what a proper client would not send. */
function rawGrpc(name: string, form: "json" | "binary", type: string): Door {
  return {
    name,
    takes: (attempt) => attempt[form] !== undefined && sendable(attempt, "grpc"),
    async call(url, attempt) {
      const body = envelope(attempt[form]!, attempt.encoding === undefined ? 0 : 1);
      const headers = { "content-type": type, te: "trailers", ...headersOf(attempt, "grpc") };
      const encoding = attempt.encoding === undefined ? {} : { "grpc-encoding": attempt.encoding };
      return callGrpc(url, pathOf(attempt.method), { ...headers, ...encoding }, [body]);
    },
  };
}

/** A call by HTTP/2 with the pieces of its body; `open` leaves the request unfinished. */
export async function callGrpc(
  url: string,
  path: string,
  headers: Record<string, string>,
  pieces: readonly Uint8Array[],
  open = false,
): Promise<Outcome> {
  const session = http2.connect(url);
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({ ":method": "POST", ":path": path, ...headers });
      let answer: http2.IncomingHttpHeaders = {};
      let body = Buffer.alloc(0);
      const done = () => {
        const details = answer["grpc-status-details-bin"];
        const bytes = details === undefined ? undefined : Buffer.from(String(details), "base64");
        const message = decodeURIComponent(String(answer["grpc-message"] ?? ""));
        const { text, ...outcome } = grpcOutcome(Number(answer["grpc-status"]), message, bytes);
        resolve({ ...outcome, http: Number(answer[":status"]), text: text + body.toString("latin1") });
      };
      stream.on("response", (head) => {
        answer = { ...answer, ...head };
      });
      stream.on("trailers", (trailers) => {
        answer = { ...answer, ...trailers };
      });
      stream.on("data", (chunk: Buffer) => {
        body = Buffer.concat([body, chunk]);
      });
      stream.on("end", done);
      stream.on("error", reject);
      for (const piece of pieces) stream.write(piece);
      if (!open) stream.end();
    });
  } finally {
    session.destroy();
  }
}

function grpcWeb(name: string, form: "json" | "binary", type: string): Door {
  return {
    name,
    takes: (attempt) => attempt[form] !== undefined && sendable(attempt, "grpc"),
    async call(url, attempt) {
      const body = envelope(attempt[form]!, attempt.encoding === undefined ? 0 : 1);
      const headers = { "content-type": type, "x-grpc-web": "1", ...headersOf(attempt, "grpc") };
      const encoding: Record<string, string> =
        attempt.encoding === undefined ? {} : { "grpc-encoding": attempt.encoding };
      return callGrpcWeb(url, pathOf(attempt.method), { ...headers, ...encoding }, body);
    },
  };
}

/** A call by gRPC-Web, with the frames made and read by hand. */
export async function callGrpcWeb(
  url: string,
  path: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Promise<Outcome> {
  const response = await fetch(url + path, { method: "POST", headers, body: Buffer.from(body) });
  const bytes = Buffer.from(await response.arrayBuffer());
  const trailers = new Map<string, string>(response.headers);
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt32BE(at + 1)) {
    if ((bytes[at]! & 0x80) === 0) continue;
    for (const line of bytes.toString("latin1", at + 5, at + 5 + bytes.readUInt32BE(at + 1)).split("\r\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) trailers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
  }
  const details = trailers.get("grpc-status-details-bin");
  const { text, ...outcome } = grpcOutcome(
    Number(trailers.get("grpc-status")),
    decodeURIComponent(trailers.get("grpc-message") ?? ""),
    details === undefined ? undefined : Buffer.from(details, "base64"),
  );
  return { ...outcome, http: response.status, text: text + bytes.toString("latin1") };
}

function grpcOutcome(status: number, message: string, details: Buffer | undefined): Outcome {
  const known: Status | undefined = details && fromBinary(StatusSchema, details);
  const info = known?.details.map((any) => anyUnpack(any, ErrorInfoSchema)).find((one) => one !== undefined);
  const bad = known?.details.map((any) => anyUnpack(any, BadRequestSchema)).find((one) => one !== undefined);
  return {
    code: CODES[status] ?? "unknown",
    reason: info?.reason ?? "",
    fields: bad?.fieldViolations.map(({ field }) => field) ?? [],
    http: 200,
    text: `${message} ${details?.toString("latin1") ?? ""}`,
  };
}

export const DOORS: readonly Door[] = [
  connectPost("Connect JSON", "json", "application/json"),
  connectPost("Connect binary", "binary", "application/proto"),
  connectGet("Connect GET in JSON", "json", "json"),
  connectGet("Connect GET in binary", "binary", "proto"),
  grpcJs,
  rawGrpc("gRPC by hand", "binary", "application/grpc"),
  rawGrpc("gRPC in JSON by hand", "json", "application/grpc+json"),
  grpcWeb("gRPC-Web", "binary", "application/grpc-web+proto"),
  grpcWeb("gRPC-Web in JSON", "json", "application/grpc-web+json"),
  rest,
];
