import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Message } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { parseForm } from "../../../server/http/form.js";
import type { Handler } from "../../../server/manifest.js";
import { fc } from "../../support/properties.js";
import { rpc } from "./conformance.js";
import { UPLOAD, type UploadedPiece } from "./files.js";
import { type Asked, ask } from "./in-process.js";
import { createDoor, type ServedRpc, serveRpcs } from "./library-server.js";
import { typeFault } from "./type-fault.js";

/** How many requests each of the three tests makes up: 100,000 in all. */
const RUNS = { paths: 35_000, queries: 35_000, bodies: 30_000 };
const TIMEOUT_MS = 240_000;

const bound: Record<string, ServedRpc> = {
  Probe: rpc("get /v1/probes/{id}", "Probe"),
  Numbers: rpc("get /v1/numbers/{small}/{large}/{ratio}/{narrow}", "Probe"),
  Others: rpc("get /v1/others/{flag}/{state}/{raw_data}/{left}", "Probe"),
  Known: rpc("get /v1/known/{at}/{wait}/{mask}", "Probe"),
  Wrapped: rpc("get /v1/wrapped/{maybe_number}/{maybe_text}/{maybe_flag}", "Probe"),
  Nested: rpc("get /v1/nested/{book.author.born}/{book.pages}", "Probe"),
  Deep: rpc("get /v1/deep/{id=a/*/b/**}:do", "Probe", { also: ["delete /v1/rest/{id=**}"] }),
  Unsigned: rpc("* /v1/any/{by}", "Key"),
  Shelf: rpc("get /v1/shelves/{name}", "Shelf"),
  Write: rpc("post /v1/probes", "Probe", { body: "*", also: ["put /v1/probes/{right}"] }),
  WriteShelf: rpc("post /v1/shelves", "Shelf", { body: "*" }),
  Put: rpc("put /v1/shelves/{label}", "Shelf", { body: "fields" }),
  Update: rpc("patch /v1/books/{book.name}", "UpdateBook", { body: "book" }),
  Move: rpc("post /v1/{parent=shelves/*}:move", "MoveBooks", { body: "names" }),
  Map: rpc("post /v1/labels/{id}", "Probe", { body: "labels" }),
  Store: rpc("post /v1/files", "Upload", { body: "*" }),
  Bytes: rpc("put /v1/files/{filename}", "Upload", { body: "file", responseBody: "file" }),
  Watch: rpc("get /v1/notes:watch", "WatchNotes", { stream: true }),
};

const names = Object.keys(bound);
const faults: string[] = [];

/** Echoes, having looked at what it was given. */
const looking = (name: string): Handler => {
  const look = (message: Message) => {
    const { input } = service.descriptor.methods.find((method) => method.name === name)!;
    const fault = typeFault(input, message);
    if (fault !== undefined) faults.push(`${name}: ${fault}`);
    return message;
  };
  if (name === "Watch") {
    return async function* (message) {
      yield look(message);
    };
  }
  if (name !== "Upload") return look;
  return async (pieces: AsyncIterable<UploadedPiece & Message>) => {
    for await (const piece of pieces) look(piece);
    return {};
  };
};
const service = serveRpcs(
  Object.fromEntries(
    [...names, "Upload"].map((name) => [name, { ...(bound[name] ?? UPLOAD), handler: looking(name) }]),
  ),
);
const { door } = createDoor([service], { forms: { allow: () => true, parse: parseForm }, uploadBytes: 4096 });

/** Makes up `numRuns` requests, and holds each to what must hold for any. */
async function holds(requests: fc.Arbitrary<Asked>, numRuns: number): Promise<Map<number, number>> {
  const seen = new Map<number, number>();
  const property = fc.asyncProperty(requests, async (asked) => {
    const told = await ask(door, asked);
    expect(faults.splice(0)).toEqual([]);
    const status = told?.status ?? 404;
    seen.set(status, (seen.get(status) ?? 0) + 1);
    expect([200, 400, 404, 413, 415, 501]).toContain(status);
  });
  await fc.assert(property, { numRuns });
  return seen;
}

/** Texts that are, or are nearly, values of some type. */
const VALUES = [
  ..."0;1;-1;-0;7;2147483647;2147483648;-2147483649;9223372036854775807;9223372036854775808;18446744073709551616".split(
    ";",
  ),
  ..."1.5;1e5;1e39;1e999;.5;5.;0x10;1_000;NaN;nan;Infinity;-Infinity;+1; 1;1 ;true;false;TRUE;null;undefined".split(
    ";",
  ),
  ..."ACTIVE;active;GONE;99999999999;-5;2021-01-01T00:00:00Z;0000-01-01T00:00:00Z;9999-12-31T23:59:59.999999999Z".split(
    ";",
  ),
  ..."10000-01-01T00:00:00Z;2021-02-30T00:00:00Z;3s;3.000000001s;-3.5s;315576000001s;3;a,b;aB.cD;a_b;a__b;A;,;a..b".split(
    ";",
  ),
  ...'+/8=;-_8;====;!;"hello";"7";";"";__proto__;constructor;toString;{};[];a/b;a:b;\0;\ud800;é;😀'.split(";"),
];
const KEYS = [
  ..."id;small;large;ratio;narrow;flag;raw_data;rawData;state;tags;states;at;wait;mask;maybe_number;maybeText".split(
    ";",
  ),
  ..."maybe_flag;book;books;labels;left;right;book.title;book.author.born;book.author;labels[a];labels.a;at.seconds".split(
    ";",
  ),
  ..."name;label;any;any.value;fields;fields.a;value;value.number_value;by;key;parent;names;note;update_mask".split(
    ";",
  ),
  ..."updateMask.paths;filename;file;file.data;file.contentType;thumbnail;after_cursor;topic;__proto__;a[0];.;..;a.".split(
    ";",
  ),
];

const anyText = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.double().map(String) },
  { weight: 1, arbitrary: fc.bigInt().map(String) },
);
/** Text in a URL: escaped, half escaped or as it is, but no byte that HTTP would not carry. */
const urlText = fc.tuple(anyText, fc.constantFrom("all", "some", "none", "broken")).map(([text, how]) => {
  if (how === "all") return encodeURIComponent(text.toWellFormed());
  const escaped = how === "broken" ? text.replace(/[^a-z]/g, "%$&") : text;
  return escaped.replace(/[^!-~]/g, (char) => (how === "none" ? "" : `%${(char.charCodeAt(0) & 255).toString(16)}`));
});
const key = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...KEYS) }, { weight: 1, arbitrary: urlText });
const pair = fc.tuple(key, urlText).map(([name, text]) => `${name}=${text}`);
const query = fc.array(fc.oneof({ weight: 8, arbitrary: pair }, { weight: 1, arbitrary: urlText }), { maxLength: 4 });

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", ""];
const HEADERS: Record<string, string[]> = {
  accept: ["application/x-ndjson", "text/event-stream;q=0.5, */*", "constructor", "__proto__", ";q=;,", ""],
  "accept-encoding": ["gzip", "*;q=0", "q", "gzip;q=x", "constructor", "__proto__"],
  "x-server-timeout": ["5", "x", "1e3", "99999999999"],
  "last-event-id": ["c1", "\u00ff", ""],
  authorization: ["Bearer x", "x"],
};
const headers = fc.record(
  Object.fromEntries(Object.entries(HEADERS).map(([name, values]) => [name, fc.constantFrom(...values)])),
  { requiredKeys: [] },
) as fc.Arbitrary<Record<string, string>>;

/** The method and the path of a binding, its variables made up. */
const templates = service.descriptor.methods.flatMap(({ name }) => {
  const { rule } = bound[name] ?? UPLOAD;
  return [rule, ...(rule.additionalBindings ?? [])].map(({ pattern }): [string, string] =>
    pattern?.case === "custom"
      ? ["PROPFIND", pattern.value.path ?? ""]
      : [pattern!.case!.toUpperCase(), pattern!.value as string],
  );
});
const place = fc.tuple(fc.constantFrom(...templates), fc.array(urlText, { minLength: 4, maxLength: 4 }));
const boundLine = place.map(([[method, template], texts]): [string, string] => {
  let next = 0;
  const text = () => texts[next++ % texts.length]!;
  const path = template.replace(/\{\w[\w.]*=?([^}]*)\}/g, (_, inner) => (inner || "*").replace(/\*\*?/g, text));
  return [method, path];
});
const wildLine = fc.tuple(
  fc.constantFrom(...METHODS),
  fc
    .array(fc.oneof(fc.constantFrom("v1", "probes", "shelves", "rest", "any", "deep", "a", "b", "b:do", ""), urlText))
    .map((segments) => `/${segments.join("/")}`),
);

/** Any JSON, with the names of fields where names stand. */
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    anyText,
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e300, 2 ** 31, 2 ** 53),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...KEYS, "@type", "a", "title", "pages") },
      { weight: 1, arbitrary: anyText },
    ),
    tie("value"),
    { maxKeys: 4 },
  ),
}));
const bodyText = fc.oneof(
  { weight: 6, arbitrary: json.object.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: json.value.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: query.map((pairs) => pairs.join("&")) },
  { weight: 1, arbitrary: multipart() },
  { weight: 1, arbitrary: anyText },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 4000, maxLength: 5000 }) },
);
const bodyBytes = fc.tuple(bodyText, fc.nat({ max: 40 }), fc.integer({ min: 0, max: 255 })).map(([text, at, byte]) => {
  const bytes = Buffer.from(text);
  // One in ten is damaged, or breaks off.
  if (at < 2) bytes[at] = byte;
  return at < 4 ? bytes.subarray(0, -at) : bytes;
});
const TYPES = [
  ...Array(6).fill("application/json"),
  "application/json; charset=utf-8",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=b",
  "multipart/form-data",
  "constructor",
  "__proto__",
  "text/plain",
  "",
];
const PACKINGS: Record<string, (bytes: Buffer) => Buffer> = {
  "": (bytes) => bytes,
  identity: (bytes) => bytes,
  gzip: (bytes) => gzipSync(bytes),
  br: (bytes) => brotliCompressSync(bytes, { params: { 1: 1 } }),
  deflate: (bytes) => bytes,
};
const packing = fc.oneof(
  { weight: 12, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.constantFrom(...Object.keys(PACKINGS)) },
);

function multipart(): fc.Arbitrary<string> {
  const part = fc.tuple(key, anyText, fc.boolean()).map(([name, text, file]) => {
    const disposition = `form-data; name="${name}"${file ? '; filename="f"' : ""}`;
    return `--b\r\ncontent-disposition: ${disposition}\r\n\r\n${text}\r\n`;
  });
  return fc.array(part, { maxLength: 3 }).map((parts) => `${parts.join("")}--b--\r\n`);
}

test(`${RUNS.paths} paths and methods: each is answered, and none as a defect of ours`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const line = fc.oneof({ weight: 3, arbitrary: boundLine }, { weight: 1, arbitrary: wildLine });
  const requests = fc
    .record({ line, headers })
    .map(({ line: [method, url], headers }): Asked => ({ method, url, headers, body: undefined }));
  const seen = await holds(requests, RUNS.paths);
  expect(Math.min(seen.get(200)!, seen.get(400)!, seen.get(404)!)).toBeGreaterThan(RUNS.paths / 50);
});

test(`${RUNS.queries} queries: a verb sees values of its types, or is not called`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const path = fc.constantFrom("/v1/probes/p", "/v1/probes/p", "/v1/probes/p", "/v1/shelves/s", "/v1/notes:watch");
  const requests = fc.record({ path, query, headers }).map(
    ({ path, query, headers }): Asked => ({
      method: "GET",
      url: `${path}?${query.join("&")}`,
      headers,
      body: undefined,
    }),
  );
  const seen = await holds(requests, RUNS.queries);
  expect(Math.min(seen.get(200)!, seen.get(400)!)).toBeGreaterThan(RUNS.queries / 50);
});

test(`${RUNS.bodies} bodies: a verb sees values of its types, or is not called`, { timeout: TIMEOUT_MS }, async () => {
  const taking = templates.filter(([method]) => !["GET", "DELETE"].includes(method));
  const line = place.filter(([[method]]) => taking.some(([one]) => one === method));
  const requests = fc
    .record({
      line,
      query: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: query }),
      bytes: bodyBytes,
      type: fc.constantFrom(...TYPES),
      packing,
    })
    .map(
      ({ line: [[method, template], [text = ""]], query, bytes, type, packing }): Asked => ({
        method,
        url: `${template
          .replace(/\{parent=[^}]*\}/, "shelves/s")
          .replace(/\{by\}/, "7")
          .replace(/\{[^}]*\}/g, text.replaceAll("/", "") || "x")}?${query.join("&")}`,
        headers: { ...(type && { "content-type": type }), ...(packing && { "content-encoding": packing }) },
        body: PACKINGS[packing]!(bytes),
      }),
    );
  const seen = await holds(requests, RUNS.bodies);
  expect(Math.min(seen.get(200)!, seen.get(400)!, seen.get(413)!, seen.get(415)!)).toBeGreaterThan(RUNS.bodies / 100);
});
