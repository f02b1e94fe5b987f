import { expect } from "vitest";
import { parseTemplate } from "../../../server/http/rest/template.js";
import { conformance, exchange, rpc } from "./conformance.js";
import { libraryDoor } from "./library-server.js";

const BOOK = { Get: rpc("get /v1/{name=shelves/*/books/*}", "Book") };

/** Each line is an RPC of the name before the colon. */
const bound = (lines: Record<string, string>) =>
  Object.fromEntries(Object.entries(lines).map(([name, line]) => [name, rpc(line, "Probe")]));

conformance({
  1: {
    shows: "a variable takes as many segments as its template has",
    rpcs: BOOK,
    exchanges: [["GET /v1/shelves/1/books/2", { status: 200, json: { name: "shelves/1/books/2" }, verb: "Get" }]],
  },
  2: {
    shows: "another method is 405 with those the path has",
    rpcs: BOOK,
    exchanges: [
      [
        "PUT /v1/shelves/1/books/2",
        { status: 405, reason: "METHOD_NOT_ALLOWED", headers: { allow: "GET, HEAD" } },
        { body: {} },
      ],
    ],
  },
  3: {
    shows: "a path that no template fits is 404, or goes to another binding",
    rpcs: BOOK,
    exchanges: [
      ["GET /v1/shelves/1/books", { status: 404, reason: "UNKNOWN_PATH" }],
      ["GET /v1/shelves/1/books/2/3", { status: 404, reason: "UNKNOWN_PATH" }],
    ],
    also: () =>
      exchange({ ...BOOK, List: rpc("get /v1/{parent=shelves/*}/books", "MoveBooks") }, {}, [
        ["GET /v1/shelves/1/books", { json: { parent: "shelves/1" }, verb: "List" }],
      ]),
  },
  28: {
    shows: "a number in a path is exact, and what is none is 400",
    rpcs: { Get: rpc("get /v2/checkouts/{by}", "Key") },
    exchanges: [
      ["GET /v2/checkouts/18446744073709551615", { json: { by: "18446744073709551615" } }],
      ...["nan", "18446744073709551616", "-1", "1.5", "%20"].map(
        (by) => [`GET /v2/checkouts/${by}`, { status: 400, reason: "WRONG_TYPE", field: "by" }] as [string, object],
      ),
    ],
  },
  30: {
    shows: "additional bindings answer beside the first",
    rpcs: { Get: rpc("get /v1/messages/{key}", "Key", { also: ["get /v1/users/{cache}/messages/{key}"] }) },
    exchanges: [
      ["GET /v1/users/u/messages/m", { json: { cache: "u", key: "m" }, verb: "Get" }],
      ["GET /v1/messages/m?cache=u", { json: { cache: "u", key: "m" }, verb: "Get" }],
    ],
  },
  31: {
    shows: "a literal beats a variable, which beats **",
    rpcs: bound({
      Literal: "get /foo/bar/baz/buzz",
      Ending: "get /foo/bar/{id}/buzz",
      Both: "get /foo/bar/{id}/{left}",
      One: "get /foo/bar/{id}",
      Rest: "get /foo/{id=**}",
      Delete: "delete /foo/{id}/baz/buzz",
    }),
    exchanges: [
      ["GET /foo/bar/baz/buzz", { json: {}, verb: "Literal" }],
      ["GET /foo/bar/x/buzz", { json: { id: "x" }, verb: "Ending" }],
      ["GET /foo/bar/baz/x", { json: { id: "baz", left: "x" }, verb: "Both" }],
      ["GET /foo/bar/x", { json: { id: "x" }, verb: "One" }],
      ["GET /foo/x/y/z", { json: { id: "x/y/z" }, verb: "Rest" }],
      ["DELETE /foo/bar/baz/buzz", { json: { id: "bar" }, verb: "Delete" }],
      ["PUT /foo/bar/baz/buzz", { status: 405, headers: { allow: "DELETE, GET, HEAD" } }],
    ],
  },
  32: {
    shows: "the search goes back when the better way leads nowhere",
    rpcs: bound({ Near: "get /foo/bar/baz/{id}", Far: "get /foo/bar/*/{book.name}/{id=**}" }),
    exchanges: [
      ["GET /foo/bar/baz/123/buzz", { json: { book: { name: "123" }, id: "buzz" }, verb: "Far" }],
      ["GET /foo/bar/baz/123", { json: { id: "123" }, verb: "Near" }],
    ],
  },
  33: {
    shows: "a verb is part of the path; another one, or an empty one, is 404",
    rpcs: bound({ Do: "get /foo/bar/{book.name}/1/{id=**}:do", Plain: "get /v1/{id}", Move: "get /v1/books:move" }),
    exchanges: [
      ["GET /foo/bar/x/1/a/b:do", { json: { book: { name: "x" }, id: "a/b" }, verb: "Do" }],
      ["GET /v1/books:move", { json: {}, verb: "Move" }],
      ["GET /v1/a%3Ado", { json: { id: "a:do" }, verb: "Plain" }],
      ["GET /foo/bar/x/1/a/b:blah", { status: 404 }],
      ["GET /foo/bar/x/1/a/b", { status: 404 }],
      ["GET /v1/verb:", { status: 404 }],
      ["GET /v1/x:other", { status: 404 }],
    ],
  },
  34: {
    shows: "** takes no segment too, but not the lack of a slash",
    rpcs: bound({ Slash: "get /trailing/{id=**}:slash" }),
    exchanges: [
      ["GET /trailing/:slash", { json: {}, verb: "Slash" }],
      ["GET /trailing/a/b:slash", { json: { id: "a/b" }, verb: "Slash" }],
      ["GET /trailing:slash", { status: 404 }],
    ],
  },
  35: {
    shows: "a variable of one segment is decoded whole; one of several keeps %2F",
    rpcs: bound({ One: "get /v1/{id}", Several: "get /v2/{id=**}", Two: "get /v3/{id=a/*}" }),
    exchanges: [
      ["GET /v1/a%2Fb%20%C3%A4+", { json: { id: "a/b ä+" } }],
      ["GET /v2/a%2fb/%20%C3%A4/%252F", { json: { id: "a%2Fb/ ä/%2F" } }],
      ["GET /v3/a/b%2fc", { json: { id: "a/b%2Fc" } }],
    ],
  },
  36: {
    shows: "a variable inside of another is refused at the start, as the specification wants",
    also() {
      const nested = { Get: rpc("get /v1/{name={title}/{shelf_mark}/*}/details", "Book") };
      expect(() => libraryDoor(nested)).toThrow(
        "library.v1.LibraryService/Get cannot be bound to HTTP: the template /v1/{name={title}/{shelf_mark}/*}/details " +
          "is wrong at character 12: a variable cannot stand inside of another",
      );
    },
  },
  37: {
    shows: "what cannot be bound is refused at the start by the method's name",
    also() {
      for (const template of ["/{1}", "/a/**/b", "/a/***", "/a?x", "/a/", "a", "/a:b/c", "/{name}/{name}"]) {
        expect(() => parseTemplate(template), template).toThrow(`the template ${template} is wrong at character`);
        const line = { Get: rpc(`get ${template}`, "Book") };
        expect(() => libraryDoor(line), template).toThrow("library.v1.LibraryService/Get cannot be bound to HTTP");
      }
      expect(() => libraryDoor({ Get: rpc("get /v1/{tags}", "Probe") })).toThrow(
        "the field tags cannot stand in a path",
      );
      expect(() => libraryDoor({ Get: rpc("get /v1/{labels}", "Probe") })).toThrow("labels cannot stand in a path");
    },
  },
  38: {
    shows: "a custom kind is matched by its method, and * by any",
    rpcs: {
      Get: rpc("get /v1/{id}", "Probe"),
      Head: rpc("HEAD /v2/{id}", "Probe"),
      Any: rpc("* /v3/{id}", "Probe"),
      Post: rpc("post /v3/{id}", "Probe"),
      Purge: rpc("PURGE /v4/{id}", "Probe"),
    },
    exchanges: [
      ["HEAD /v2/x", { status: 200, text: "", headers: { "content-length": "10" }, verb: "Head" }],
      ["GET /v2/x", { status: 405, headers: { allow: "HEAD" } }],
      ["PROPFIND /v3/x", { json: { id: "x" }, verb: "Any" }],
      ["OPTIONS /v3/x", { json: { id: "x" }, verb: "Any" }],
      ["POST /v3/x", { json: { id: "x" }, verb: "Post" }],
      ["PURGE /v4/x", { json: { id: "x" }, verb: "Purge" }],
    ],
  },
});
