import { expect, test } from "vitest";
import { parseTemplate } from "../../../server/http/rest/template.js";
import { libraryDoor, type ServedRpc } from "./library-server.js";

test("a template is its segments, its variables with the segments they take, and its verb", () => {
  expect(parseTemplate("/v1/{name=shelves/*/books/*}/pages/{page.number}:print")).toEqual({
    segments: ["v1", "shelves", "*", "books", "*", "pages", "*"],
    verb: "print",
    variables: [
      { field: "name", start: 1, end: 5, spans: true },
      { field: "page.number", start: 6, end: 7, spans: false },
    ],
  });
  expect(parseTemplate("/v1/{rest=**}").variables).toEqual([{ field: "rest", start: 1, end: undefined, spans: true }]);
});

test.each(["/", "/{a", "/{a=}", "/a:", "/{a=**}/b", "/a//b", "/{a.}", "/a b", "/a%20b"])(
  "the template %s is refused",
  (template) => {
    expect(() => parseTemplate(template)).toThrow(`the template ${template} is wrong at character`);
  },
);

const refused: Record<string, [string, Record<string, ServedRpc>]> = {
  "a path variable that is no field": ["has no field isbn", { Get: { rule: get("/v1/{isbn}"), input: "Book" } }],
  "a path variable that is a message": [
    "cannot stand in a path",
    { Get: { rule: get("/v1/{author}"), input: "Book" } },
  ],
  "a body that is no field": ["body names isbn", { Put: { rule: { ...put("/v1"), body: "isbn" }, input: "Book" } }],
  "a body inside of a field": [
    "body names author.name",
    { Put: { rule: { ...put("/v1"), body: "author.name" }, input: "Book" } },
  ],
  "a response body that is no field": [
    "response_body names isbn",
    { Get: { rule: { ...get("/v1"), responseBody: "isbn" }, input: "Book" } },
  ],
  "additional bindings of additional bindings": [
    "have none of their own",
    {
      Get: {
        rule: { ...get("/a"), additionalBindings: [{ ...get("/b"), additionalBindings: [get("/c")] }] },
        input: "Book",
      },
    },
  ],
  "a path variable inside of a time": [
    "has no field at.seconds",
    { Get: { rule: get("/v1/{at.seconds}"), input: "Probe" } },
  ],
  "two path variables of one oneof": [
    "only one of left and right can be set",
    { Get: { rule: get("/v1/{left}/{right}"), input: "Probe" } },
  ],
  "a field that stands twice in a path, in both its spellings": [
    "shelfMark stands twice",
    { Get: { rule: get("/v1/{shelf_mark}/{shelfMark}"), input: "Book" } },
  ],
  "a field inside of a message that stands twice in a path, in both its spellings": [
    "book.shelfMark stands twice",
    { Get: { rule: get("/v1/{book.shelf_mark}/{book.shelfMark}"), input: "UpdateBook" } },
  ],
  "a field that is the body and in the path": [
    "both in the path and the body",
    { Put: { rule: { ...put("/v1/{name}"), body: "name" }, input: "Book" } },
  ],
  "a custom kind that is no HTTP method": [
    "is no HTTP method",
    { Get: { rule: { pattern: { case: "custom", value: { kind: "GET /", path: "/v1" } } }, input: "Book" } },
  ],
  "a rule without a pattern": ["has no pattern", { Get: { rule: {}, input: "Book" } }],
};

test.each(Object.entries(refused))("the start is refused, naming the method, for %s", (_, [text, rpcs]) => {
  const [name] = Object.keys(rpcs);
  expect(() => libraryDoor(rpcs)).toThrow(`library.v1.LibraryService/${name}`);
  expect(() => libraryDoor(rpcs)).toThrow(text);
});

test("the start is refused, naming both methods, when a caller could not tell two bindings apart", () => {
  const rpcs = {
    Read: { rule: get("/v1/books/{name}"), input: "Book" },
    Peek: { rule: get("/v1/books/{title}"), input: "Book" },
  };
  expect(() => libraryDoor(rpcs)).toThrow(
    "library.v1.LibraryService/Peek and library.v1.LibraryService/Read are both bound to GET /v1/books/*",
  );
});

function get(path: string) {
  return { pattern: { case: "get" as const, value: path } };
}

function put(path: string) {
  return { pattern: { case: "put" as const, value: path } };
}
