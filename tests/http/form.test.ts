import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { formKind, parseForm } from "../../server/http/form.js";
import type { Request } from "../../server/rpc/dispatcher.js";
import { readWholeBody } from "../../server/rpc/whole-body.js";

const URLENCODED = "application/x-www-form-urlencoded";

/** A request that was sent in pieces, as far as a reader of bodies looks at it. */
function request(type: string | undefined, body: Buffer | string, headers: Record<string, string> = {}): Request {
  const bytes = Buffer.from(body);
  const pieces = [bytes.subarray(0, 7), bytes.subarray(7)].filter((piece) => piece.length > 0);
  const req = Readable.from(pieces, { objectMode: false });
  return Object.assign(req, { headers: { ...(type && { "content-type": type }), ...headers } }) as unknown as Request;
}

/** Reads a form as a door does. */
async function readForm(req: Request, limit: number) {
  const raw = await readWholeBody(req, limit);
  return { ...(await parseForm(req.headers["content-type"], raw)), raw };
}

/** Each part as its headers and its content. */
function multipart(...parts: [disposition: string, content: string | Buffer, headers?: string][]) {
  const pieces = parts.flatMap(([disposition, content, headers = ""]) => [
    Buffer.from(`--b\r\ncontent-disposition: form-data${disposition}\r\n${headers}\r\n`),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...pieces, Buffer.from("--b--\r\n")]);
}

const MULTIPART = "multipart/form-data; boundary=b";

test("a form is told by its content type", () => {
  expect(formKind("Application/X-WWW-Form-Urlencoded; charset=utf-8")).toBe("urlencoded");
  expect(formKind(MULTIPART)).toBe("multipart");
  expect(formKind("application/json")).toBeUndefined();
  expect(formKind(undefined)).toBeUndefined();
});

test("urlencoded: names and values in their order, and the body as it was sent", async () => {
  const body = "a=1&b%20c=x+y%2Bz&a=%C3%A9&empty&__proto__=p";
  const { fields, files, raw } = await readForm(request(URLENCODED, body), 100);
  expect(fields).toEqual([
    ["a", "1"],
    ["b c", "x y+z"],
    ["a", "é"],
    ["empty", ""],
    ["__proto__", "p"],
  ]);
  expect(files).toEqual([]);
  expect(raw.toString()).toBe(body);
});

test("multipart: fields and files in their order, file names without folders", async () => {
  const image = Buffer.from([0, 255, 13, 10, 45, 45]);
  const body = multipart(
    ['; name="text"', "é\r\nb"],
    ['; name="image"; filename="C:\\photos\\é.png"', image, "content-type: image/png\r\n"],
    ['; name="text"', ""],
    ['; name="none"; filename=""', "", "content-type: application/octet-stream\r\n"],
  );
  const { fields, files, raw } = await readForm(request(MULTIPART, body), 1000);
  expect(fields).toEqual([
    ["text", "é\r\nb"],
    ["text", ""],
  ]);
  expect(files).toEqual([
    { name: "image", filename: "é.png", contentType: "image/png", bytes: image },
    { name: "none", filename: "", contentType: "application/octet-stream", bytes: Buffer.alloc(0) },
  ]);
  expect(raw).toEqual(body);
});

test("an empty form says nothing", async () => {
  expect((await readForm(request(URLENCODED, ""), 10)).fields).toEqual([]);
  expect(await readForm(request(MULTIPART, "--b--\r\n"), 10)).toMatchObject({ fields: [], files: [] });
});

test("a form may be compressed, and is as large as what comes out", async () => {
  const sent = () => request(URLENCODED, gzipSync(`a=${"x".repeat(1000)}`), { "content-encoding": "gzip" });
  expect((await readForm(sent(), 2000)).fields[0]?.[1]).toHaveLength(1000);
  await expect(readForm(sent(), 500)).rejects.toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
});

const many = (count: number) =>
  multipart(...Array.from({ length: count }, () => ['; name="a"', ""] as [string, string]));

const refused: Record<string, [type: string | undefined, body: string | Buffer, reason: string, limit?: number]> = {
  "no content type": [undefined, "a=1", "UNSUPPORTED_MEDIA_TYPE"],
  JSON: ["application/json", "{}", "UNSUPPORTED_MEDIA_TYPE"],
  "more bytes than the limit": [URLENCODED, "a=12345678", "MESSAGE_TOO_LARGE", 9],
  "more bytes than the limit, in parts": [MULTIPART, many(1), "MESSAGE_TOO_LARGE", 20],
  "more fields than anyone fills in": [URLENCODED, "a&".repeat(1001), "MESSAGE_TOO_LARGE"],
  "more parts than anyone fills in": [MULTIPART, many(1001), "MESSAGE_TOO_LARGE"],
  "a broken percent sign": [URLENCODED, "a=%zz", "INVALID_FIELD"],
  "text that is no UTF-8": [URLENCODED, Buffer.from([0x61, 0x3d, 0xff]), "INVALID_UTF8"],
  "escaped text that is no UTF-8": [URLENCODED, "a=%ff", "INVALID_UTF8"],
  "text in a part that is no UTF-8": [MULTIPART, multipart(['; name="a"', Buffer.of(0xff)]), "INVALID_UTF8"],
  "no boundary": ["multipart/form-data", many(1), "MALFORMED_BODY"],
  "another boundary": ["multipart/form-data; boundary=c", many(1), "MALFORMED_BODY"],
  "a body that breaks off": [MULTIPART, many(1).subarray(0, -8), "MALFORMED_BODY"],
  "a body that breaks off in a header": [MULTIPART, "--b\r\ncontent-dispo", "MALFORMED_BODY"],
  "no parts at all": [MULTIPART, "hello", "MALFORMED_BODY"],
  "an empty multipart": [MULTIPART, "", "MALFORMED_BODY"],
  "a part without a name": [MULTIPART, multipart(["", "x"]), "MALFORMED_BODY"],
  "a part in an encoding of mails": [
    MULTIPART,
    multipart(['; name="a"', "eA==", "content-transfer-encoding: base64\r\n"]),
    "MALFORMED_BODY",
  ],
};

test.each(Object.entries(refused))("a form is refused for %s", async (_, [type, body, reason, limit = 100_000]) => {
  await expect(readForm(request(type, body), limit)).rejects.toMatchObject({ reason });
});
