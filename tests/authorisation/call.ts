import type { DescMethod } from "@bufbuild/protobuf";
import { bearer, refusedJson, within } from "../domains/support.js";
import type { TestBackstay } from "../support/backstay.js";
import { restRequest, rulesOf } from "../wire/rest-request.js";

/** What became of a call; of a stream, of its first message. */
export interface Outcome {
  /** Empty when it was answered. */
  code: string;
  reason: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  answer: any;
  /** Everything that came back, with the headers. */
  text: string;
}

/** Calls a method by Connect with JSON. */
export async function callByConnect(
  backstay: TestBackstay,
  method: DescMethod,
  request: object,
  token?: string,
): Promise<Outcome> {
  const url = `${backstay.url}/${method.parent.typeName}/${method.name}`;
  const isStream = method.methodKind === "server_streaming";
  const json = Buffer.from(JSON.stringify(request));
  const body = isStream ? Buffer.concat([Buffer.of(0), length(json), json]) : json;
  const type = isStream ? "application/connect+json" : "application/json";
  const headers = { "content-type": type, ...bearer(token) };
  const controller = new AbortController();
  const response = await fetch(url, { method: "POST", headers, body, signal: controller.signal });
  const parts = isStream ? await frames(response) : [await response.text()];
  controller.abort();
  const heads = JSON.stringify([...response.headers]);
  const text = [heads, ...parts].join("\n");
  const first = JSON.parse(parts[0]!);
  const error = isStream ? first.error : response.status === 200 ? undefined : first;
  return error === undefined
    ? { code: "", reason: "", answer: first, text }
    : { ...refusedJson(error), answer: undefined, text };
}

/** Calls a method by the first of its REST paths that can carry the request. */
export async function callByRest(
  backstay: TestBackstay,
  method: DescMethod,
  request: object,
  token?: string,
): Promise<Outcome> {
  const spelled = rulesOf(method)
    .map((rule) => restRequest(method, rule, request as Record<string, unknown>))
    .find((one) => one !== undefined);
  if (spelled === undefined) throw new Error(`no path of ${method.name} carries the request`);
  const headers = { "content-type": "application/json", accept: "application/x-ndjson, application/json" };
  const controller = new AbortController();
  const response = await fetch(backstay.url + spelled.path, {
    method: spelled.method,
    headers: { ...headers, ...bearer(token) },
    ...(spelled.body !== undefined && { body: JSON.stringify(spelled.body) }),
    signal: controller.signal,
  });
  const line = method.methodKind === "server_streaming" ? await firstLine(response) : await response.text();
  controller.abort();
  const json = JSON.parse(line);
  const error = response.status === 200 ? json.error : json;
  const text = `${JSON.stringify([...response.headers])}\n${line}`;
  if (error === undefined) return { code: "", reason: "", answer: json, text };
  const info = error.details.find((detail: { "@type": string }) => detail["@type"].endsWith("ErrorInfo"));
  return { code: String(error.code), reason: info.reason, answer: undefined, text };
}

function length(json: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(json.length);
  return bytes;
}

/** The first frame of a Connect stream, or all of a stream that ends by itself. */
async function frames(response: Response): Promise<string[]> {
  const found: string[] = [];
  let bytes = Buffer.alloc(0);
  const reader = response.body!.getReader();
  const ends = response.url.endsWith("/Subscribe") || response.url.endsWith("/WatchJob") ? 1 : Number.POSITIVE_INFINITY;
  while (found.length < ends) {
    const { value, done } = await within(5_000, reader.read(), "the stream says something");
    if (done) break;
    bytes = Buffer.concat([bytes, value]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      found.push(bytes.toString("utf8", 5, end));
      bytes = bytes.subarray(end);
    }
  }
  return found;
}

async function firstLine(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  let text = "";
  for (;;) {
    const { value, done } = await within(5_000, reader.read(), "the stream says something");
    if (done) return text.split("\n")[0]!;
    text += decoder.decode(value, { stream: true });
    if (text.includes("\n")) return text.split("\n")[0]!;
  }
}
