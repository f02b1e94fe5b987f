import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** An answer the listener gives itself. The body has Connect's shape, or its clients would guess a code from the status. */
export interface Refusal {
  readonly status: number;
  readonly phrase: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const METHODS = new Set(["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"]);

function refusal(status: number, phrase: string, code: string, message: string, headers = {}): Refusal {
  const body = JSON.stringify({ code, message });
  return {
    status,
    phrase,
    body,
    headers: { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)), ...headers },
  };
}

export const REFUSALS = {
  malformed: refusal(400, "Bad Request", "invalid_argument", "not a well-formed HTTP request"),
  target: refusal(400, "Bad Request", "invalid_argument", "the request target must be a path"),
  host: refusal(400, "Bad Request", "invalid_argument", "the request names more than one host"),
  method: refusal(405, "Method Not Allowed", "unimplemented", "method not allowed", { allow: [...METHODS].join(", ") }),
  timeout: refusal(408, "Request Timeout", "resource_exhausted", "the request was not complete in time"),
  extensions: refusal(413, "Payload Too Large", "resource_exhausted", "chunk extensions too large"),
  headers: refusal(431, "Request Header Fields Too Large", "resource_exhausted", "request headers too large"),
} as const;

/** The refusal a request earns by its method, target or host; undefined if it may pass. */
export function refusalFor(req: IncomingMessage | Http2ServerRequest): Refusal | undefined {
  const { method = "", url = "" } = req;
  if (!METHODS.has(method)) return REFUSALS.method;
  if (!url.startsWith("/") && !(url === "*" && method === "OPTIONS")) return REFUSALS.target;
  if (namesTwoHosts(req)) return REFUSALS.host;
  return undefined;
}

/** Node keeps the first of several Host headers and drops the rest, while a proxy in front may have routed by the last. */
function namesTwoHosts(req: IncomingMessage | Http2ServerRequest): boolean {
  let host: string | undefined;
  const raw = req.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const isHost = name.length === 4 ? name.toLowerCase() === "host" : name === ":authority";
    if (!isHost) continue;
    const value = (raw[i + 1] as string).toLowerCase();
    if (host !== undefined && (host !== value || req.httpVersionMajor === 1)) return true;
    host = value;
  }
  return false;
}

export function refuse(res: ServerResponse | Http2ServerResponse, { status, headers, body }: Refusal): void {
  const plain = res as ServerResponse;
  plain.writeHead(status, headers);
  plain.end(body);
}

/** The refusal as bytes, for a connection that has no response object. */
export function refusalText({ status, phrase, headers, body }: Refusal): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${phrase}\r\n${lines.join("")}connection: close\r\n\r\n${body}`;
}
