import { expect, test } from "vitest";
import { formKind, parseForm } from "../../../server/http/form.js";
import { rpc } from "./conformance.js";
import { type LibraryOptions, serveLibrary } from "./library-server.js";

const rpcs = {
  Create: rpc("post /v1/probes/{id}", "Probe", { body: "*" }),
  Update: rpc("patch /v1/books/{book.name}", "UpdateBook", { body: "book" }),
  Store: rpc("post /v1/files", "Upload", { body: "*" }),
  Move: rpc("post /v1/shelves/{parent}", "MoveBooks", { body: "names" }),
  Change: rpc("patch /v1/files", "UpdateUpload", { body: "upload" }),
  Raw: rpc("post /v1/raw", "Upload", { body: "file" }),
};

const serve = (options: LibraryOptions = {}) =>
  serveLibrary(rpcs, { forms: { allow: ({ name }) => !name.endsWith("Move"), parse: parseForm }, ...options });

const urlencoded = (body: string) => ({ body, headers: { "content-type": "application/x-www-form-urlencoded" } });

function multipart(...parts: [disposition: string, content: string, type?: string][]) {
  const pieces = parts.map(
    ([disposition, content, type]) =>
      `--b\r\ncontent-disposition: form-data; ${disposition}\r\n${type ? `content-type: ${type}\r\n` : ""}\r\n${content}\r\n`,
  );
  return { body: `${pieces.join("")}--b--\r\n`, headers: { "content-type": "multipart/form-data; boundary=b" } };
}

test("no method takes forms unless it is allowed: another site may send them without asking", async () => {
  for (const options of [{ forms: { allow: () => false, parse: parseForm } }, {}]) {
    const { call } = await serveLibrary(rpcs, options);
    for (const sent of [urlencoded("left=l"), multipart(['name="left"', "l"])]) {
      expect(await call("POST /v1/probes/p", sent)).toMatchObject({ status: 415, reason: "UNSUPPORTED_MEDIA_TYPE" });
    }
  }
  const { call } = await serve();
  expect(await call("POST /v1/shelves/s", urlencoded("names=a"))).toMatchObject({ status: 415 });
});

test("no name that every object has is a kind of form", () => {
  for (const type of ["constructor", "__proto__", "toString"]) expect(formKind(type)).toBeUndefined();
});

test("a form sets fields as a query does, of the message or of the body's field", async () => {
  const { call } = await serve();
  const sent = urlencoded("id=p&small=7&tags=a&tags=b+c&book.shelf_mark=x&at=2021-01-01T00:00:00Z&maybeText=");
  expect((await call("POST /v1/probes/p", sent)).json).toEqual({
    id: "p",
    small: 7,
    tags: ["a", "b c"],
    book: { shelfMark: "x" },
    at: "2021-01-01T00:00:00Z",
    maybeText: "",
  });
  expect((await call("PATCH /v1/books/b?note=n", urlencoded("title=T&author.name=ada"))).json).toEqual({
    book: { name: "b", title: "T", author: { name: "ada" } },
    note: "n",
    updateMask: "title,author",
  });
});

test("the mask of a PATCH has the top-level fields that a form sets, also when it sets nothing but what is inside of them", async () => {
  const { call } = await serve();
  const mask = async (form: string) => (await call("PATCH /v1/books/b", urlencoded(form))).json.updateMask;
  expect(await mask("author.name=ada")).toBe("author");
  expect(await mask("author.name=ada&author.born=1815&shelf_mark=x&name=b")).toBe("author,shelfMark");
  const parts = multipart(['name="thumbnail"; filename="t"', "small"], ['name="folder"', "d"]);
  expect((await call("PATCH /v1/files", parts)).json.updateMask).toBe("folder,thumbnail");
  const unchosen = multipart(['name="thumbnail"; filename=""', ""], ['name="folder"', "d"]);
  expect((await call("PATCH /v1/files", unchosen)).json.updateMask).toBe("folder");
});

test("files of a form become bytes or HttpBody", async () => {
  const { call } = await serve();
  const form = multipart(
    ['name="filename"', "é.png"],
    ['name="file"; filename="x.png"', "PNG", "image/png"],
    ['name="thumbnail"; filename="t"', "small"],
  );
  expect((await call("POST /v1/files", form)).json).toEqual({
    filename: "é.png",
    file: { contentType: "image/png", data: "UE5H" },
    thumbnail: "c21hbGw=",
  });
  const unchosen = multipart(['name="file"; filename=""', "", "application/octet-stream"], ['name="folder"', "d"]);
  expect((await call("POST /v1/files", unchosen)).json).toEqual({ folder: "d" });
});

test.each([
  ["an unknown field", urlencoded("nope=1"), "UNKNOWN_FIELD", "nope"],
  ["a value of another type", urlencoded("small=x"), "WRONG_TYPE", "small"],
  ["a field twice", urlencoded("small=1&small=1"), "INVALID_FIELD", "small"],
  ["two members of a oneof", urlencoded("left=1&right=1"), "INVALID_FIELD", "right"],
  ["a message", urlencoded("book=1"), "INVALID_FIELD", "book"],
  ["a broken escape", urlencoded("left=%zz"), "INVALID_FIELD", "left"],
  ["a file where text belongs", multipart(['name="left"; filename="f"', "x"]), "INVALID_FIELD", "left"],
  ["what is no form", { ...multipart(), body: "x" }, "MALFORMED_BODY", undefined],
])("a form is refused for %s", async (_, sent, reason, field) => {
  const { call } = await serve();
  expect(await call("POST /v1/probes/p", sent)).toMatchObject({ status: 400, reason, field });
});

test("a field that the body's message does not have is named as it is in JSON", async () => {
  const { call } = await serve();
  expect(await call("PATCH /v1/books/b", urlencoded("nope=1"))).toMatchObject({
    status: 400,
    reason: "UNKNOWN_FIELD",
    field: "nope",
  });
});

test("a body that is bytes stays bytes, also when it is a form, and JSON stays JSON", async () => {
  const { call } = await serve();
  expect((await call("POST /v1/raw", urlencoded("a=1"))).json).toEqual({
    file: { contentType: "application/x-www-form-urlencoded", data: "YT0x" },
  });
  expect((await call("POST /v1/probes/p", { body: { small: 1 } })).json).toEqual({ id: "p", small: 1 });
});

test("a form may carry parameters that are ignored, and unknown ones when those are", async () => {
  const { call } = await serve({ ignoredParameters: new Set(["bk-signature"]) });
  expect((await call("POST /v1/probes/p", urlencoded("small=1&bk-signature=x"))).json).toEqual({ id: "p", small: 1 });
  const lenient = await serve({ ignoreUnknownFields: true });
  expect((await lenient.call("POST /v1/probes/p", urlencoded("small=1&nope=x"))).json).toEqual({ id: "p", small: 1 });
});
