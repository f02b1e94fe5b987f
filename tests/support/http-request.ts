import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";

/** An answer as it came, with the headers that fetch would hide. */
export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  /** The set-cookie headers. */
  cookies: string[];
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  json: any;
  /** The reason of the error, by whichever door it came. */
  reason: string | undefined;
}

/** One request with exactly these headers: no browser's, and none of fetch's own. */
export function request(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> {
  const { method = options.body === undefined ? "GET" : "POST", headers = {}, body } = options;
  const client = url.startsWith("https:") ? https : http;
  // The raw path: what is signed is what is sent.
  const { origin } = new URL(url);
  const path = url.slice(origin.length) || "/";
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = client.request(
      origin,
      { method, path, headers: { ...length, ...headers }, rejectUnauthorized: false, agent: false },
      (res) => parseReply(res).then(resolve, reject),
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** An answer, when all of it has come. */
export async function parseReply(res: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  const json = parsed(Buffer.concat(chunks).toString("utf8"));
  const cookies = res.headers["set-cookie"] ?? [];
  return { status: res.statusCode ?? 0, headers: res.headers, cookies, json, reason: reasonOf(json) };
}

/** A unary Connect call in JSON, as Connect's clients send it. */
export function connectJson(
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return request(`${url}/backstay.${path}`, {
    headers: { "content-type": "application/json", "connect-protocol-version": "1", ...headers },
    body: JSON.stringify(body),
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(json: unknown): string | undefined {
  const details = (json as { details?: { reason?: string; debug?: { reason?: string } }[] } | undefined)?.details;
  return details?.map((detail) => detail.reason ?? detail.debug?.reason).find((reason) => reason !== undefined);
}
