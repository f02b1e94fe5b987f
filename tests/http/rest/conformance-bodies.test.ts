import { conformance, exchange, rpc } from "./conformance.js";

const UPDATE = { Update: rpc("patch /v1/messages/{note}", "UpdateBook", { body: "book" }) };
const READER = {
  kind: "account",
  accountId: "019a0000000070008000000000000001",
  roles: [],
  via: "token",
  expiresAt: new Date(8.64e15),
} as const;
const AS_READER = { headers: { authorization: "Bearer reader" } };
const DASHED = "019A0000-0000-7000-8000-000000000001";
const OTHER = "019a0000000070008000000000000002";
const CREATE = { Create: rpc("post /v1/books", "Book", { body: "*" }) };

/** What is answered for a field of each kind that is not set. */
const UNSET: Record<string, Record<string, unknown>> = {
  Probe: {
    id: "",
    small: 0,
    large: "0",
    ratio: 0,
    flag: false,
    raw_data: "",
    state: "STATE_UNSPECIFIED",
    tags: [],
    books: [],
    labels: {},
    book: {},
    left: "",
    at: null,
    wait: null,
    mask: null,
    maybe_number: null,
    maybe_text: null,
  },
  Shelf: { label: "", book: {}, any: null, fields: null, value: null },
  Maybe: { count: 0, state: "STATE_UNSPECIFIED", constructor: "" },
};

conformance({
  21: {
    shows: "a body of one field fills that field; the path and the query set the others",
    rpcs: { Update: rpc("put /v1/messages/{note}", "UpdateBook", { body: "book" }) },
    exchanges: [
      [
        "PUT /v1/messages/m?update_mask=title",
        { status: 200, json: { note: "m", book: { title: "Hi!" }, updateMask: "title" }, verb: "Update" },
        { body: { title: "Hi!" } },
      ],
      ["PUT /v1/messages/m?book.title=x", { status: 400, reason: "UNKNOWN_FIELD", field: "book.title" }, { body: {} }],
    ],
  },
  22: {
    shows: "a body of * is the whole message and leaves nothing to the query",
    rpcs: { Update: rpc("patch /v1/books/{name}", "Book", { body: "*" }) },
    exchanges: [
      ["PATCH /v1/books/b", { json: { name: "b", title: "Hi!" } }, { body: { title: "Hi!" } }],
      ["PATCH /v1/books/b?title=x", { status: 400, reason: "UNKNOWN_FIELD", field: "title" }, { body: {} }],
    ],
    also: () =>
      exchange({ Update: rpc("patch /v1/books/{name}", "Book", { body: "*" }) }, { ignoreUnknownFields: true }, [
        ["PATCH /v1/books/b?title=x", { json: { name: "b" } }, { body: {} }],
      ]),
  },
  23: {
    shows: "a field that stands in the path and the body is the path's, and 400 with another value",
    rpcs: {
      Replace: rpc("put /v1/books/{name}", "Book", { body: "*" }),
      Count: rpc("put /v1/probes/{large}", "Probe", { body: "*" }),
      Move: rpc("post /v1/books/{book.name}/{left}", "Probe", { body: "*" }),
    },
    options: { authenticate: () => READER },
    exchanges: [
      ["PUT /v1/books/b1", { json: { name: "b1", title: "T" } }, { body: { name: "b1", title: "T" } }],
      ["PUT /v1/books/b%31", { json: { name: "b1", title: "T" } }, { body: { name: "b1", title: "T" } }],
      ["PUT /v1/books/b1", { json: { name: "b1" } }, { body: { name: "" } }],
      ["PUT /v1/books/b1", { status: 400, reason: "INVALID_FIELD", field: "name" }, { body: { name: "b2" } }],
      ["PUT /v1/probes/7", { json: { large: "7", flag: true } }, { body: { large: 7, flag: true } }],
      ["PUT /v1/probes/7", { json: { large: "7" } }, { body: {} }],
      ["PUT /v1/probes/7", { status: 400, reason: "INVALID_FIELD", field: "large" }, { body: { large: "8" } }],
      [`PUT /v1/books/${DASHED}`, { json: { name: DASHED } }, { body: { name: READER.accountId } }],
      [`PUT /v1/books/${OTHER}`, { status: 400, field: "name" }, { body: { name: DASHED } }],
      ["PUT /v1/books/me", { json: { name: "me" } }, { ...AS_READER, body: { name: READER.accountId } }],
      ["PUT /v1/books/me", { status: 400, field: "name" }, { ...AS_READER, body: { name: OTHER } }],
      ["PUT /v1/books/me", { status: 400, field: "name" }, { body: { name: READER.accountId } }],
      [
        `POST /v1/books/me/${DASHED}`,
        { json: { book: { name: "me" }, left: DASHED } },
        { ...AS_READER, body: { book: { name: DASHED }, left: READER.accountId } },
      ],
      [`POST /v1/books/me/x`, { status: 400, field: "book.name" }, { ...AS_READER, body: { book: { name: OTHER } } }],
    ],
  },
  24: {
    shows: "a binding without a body takes none",
    rpcs: {
      Get: rpc("get /v1/books/{name}", "Book"),
      Remove: rpc("delete /v1/books/{name}", "Book"),
      Touch: rpc("post /v1/books/{name}:touch", "Book"),
    },
    exchanges: [
      ["POST /v1/books/b:touch", { status: 400, reason: "MALFORMED_BODY" }, { body: {} }],
      ["DELETE /v1/books/b", { status: 400, reason: "MALFORMED_BODY" }, { body: {} }],
      [
        "DELETE /v1/books/b",
        { status: 400, reason: "MALFORMED_BODY" },
        { body: {}, headers: { "transfer-encoding": "chunked" } },
      ],
      ["GET /v1/books/b", { status: 200 }],
      ["POST /v1/books/b:touch", { status: 200 }, { body: "" }],
      ["POST /v1/books/b:touch", { status: 200 }, { headers: { "content-type": "application/json" } }],
    ],
  },
  25: {
    shows: "an empty body is an empty message; null and what follows the JSON are 400",
    rpcs: { ...CREATE, ...UPDATE },
    exchanges: [
      ["POST /v1/books", { status: 200, json: {} }],
      ["POST /v1/books", { status: 200, json: {} }, { headers: { "content-type": "text/plain" } }],
      ["PATCH /v1/messages/m", { status: 200, json: { note: "m" } }],
      ["POST /v1/books", { status: 400, reason: "MALFORMED_BODY" }, { body: "null" }],
      ["POST /v1/books", { status: 400, reason: "MALFORMED_BODY" }, { body: "{} {}" }],
      ["POST /v1/books", { status: 400, reason: "MALFORMED_BODY" }, { body: " " }],
      ["PATCH /v1/messages/m", { status: 400, reason: "MALFORMED_BODY" }, { body: "null" }],
      ["PATCH /v1/messages/m", { status: 400, reason: "MALFORMED_BODY" }, { body: '{}, "note": "n"' }],
    ],
  },
  26: {
    shows: "a body of a list or a number is bare JSON of it",
    rpcs: {
      Move: rpc("post /v2/{parent=shelves/*}/books:move", "MoveBooks", { body: "names" }),
      Count: rpc("post /v2/keys/{key}:count", "Key", { body: "by" }),
    },
    exchanges: [
      ["POST /v2/shelves/1/books:move", { json: { parent: "shelves/1", names: ["b1", "b2"] } }, { body: ["b1", "b2"] }],
      ["POST /v2/shelves/1/books:move", { status: 400, reason: "WRONG_TYPE", field: "names" }, { body: [1] }],
      ["POST /v2/keys/k:count", { json: { key: "k", by: "18446744073709551615" } }, { body: '"18446744073709551615"' }],
    ],
  },
  27: {
    shows: "response_body answers one field, bare; one that is not set as the empty value of its type, or null",
    rpcs: {
      List: rpc("get /v2/{parent=shelves/*/books/*}:checkouts", "MoveBooks", {
        responseBody: "names",
        handler: ({ parent }) => ({ names: parent.endsWith("/0") ? [] : ["c1", "c2"] }),
      }),
    },
    exchanges: [
      ["GET /v2/shelves/1/books/2:checkouts", { json: ["c1", "c2"], headers: { "content-type": "application/json" } }],
      ["GET /v2/shelves/1/books/0:checkouts", { json: [] }],
    ],
    async also() {
      for (const [message, fields] of Object.entries(UNSET)) {
        for (const [responseBody, json] of Object.entries(fields)) {
          const Get = rpc("get /v1/field", message, { responseBody, handler: () => ({}) });
          await exchange({ Get }, {}, [["GET /v1/field", { status: 200, text: JSON.stringify(json) }]]);
        }
      }
      const set = (input: string, responseBody: string, answer: object) => ({
        Get: rpc("get /v1/field", input, { responseBody, handler: () => answer }),
      });
      const left = set("Probe", "left", { choice: { case: "left", value: "l" } });
      await exchange(left, {}, [["GET /v1/field", { json: "l" }]]);
      await exchange(set("Probe", "maybe_number", { maybeNumber: 0 }), {}, [["GET /v1/field", { json: 0 }]]);
      await exchange(set("Probe", "small", { small: 7 }), {}, [["GET /v1/field", { json: 7 }]]);
    },
  },
  29: {
    shows: "a variable inside of a message and a body of that message make one message",
    rpcs: { Update: rpc("patch /v1/{book.name=shelves/*/books/*}", "UpdateBook", { body: "book" }) },
    exchanges: [
      [
        "PATCH /v1/shelves/1/books/2?note=n",
        {
          json: {
            book: { name: "shelves/1/books/2", title: "T", author: { name: "ada" } },
            note: "n",
            updateMask: "title,author",
          },
        },
        { body: { name: "shelves/1/books/2", title: "T", author: { name: "ada" } } },
      ],
      [
        "PATCH /v1/shelves/1/books/2",
        { status: 400, reason: "INVALID_FIELD", field: "name" },
        { body: { name: "shelves/1/books/3", title: "T" } },
      ],
    ],
  },
  49: {
    shows: "a body beyond the limit is 413, a verb beyond X-Server-Timeout 504",
    options: { messageBytes: 21 },
    rpcs: { ...CREATE, Slow: rpc("get /v1/slow", "Book", { handler: () => new Promise(() => {}) }) },
    exchanges: [
      ["POST /v1/books", { status: 200 }, { body: { title: "123456789" } }],
      [
        "POST /v1/books",
        { status: 413, reason: "MESSAGE_TOO_LARGE", headers: { connection: "close" } },
        { body: { title: "1234567890" } },
      ],
      [
        "POST /v1/books",
        { status: 413, reason: "MESSAGE_TOO_LARGE" },
        { body: { title: "1234567890" }, headers: { "transfer-encoding": "chunked" } },
      ],
      [
        "GET /v1/slow",
        { status: 504, reason: "DEADLINE_EXCEEDED", verb: "Slow" },
        { headers: { "x-server-timeout": "0.05" } },
      ],
      ["GET /v1/slow", { status: 400, reason: "INVALID_HEADER" }, { headers: { "x-server-timeout": "soon" } }],
    ],
  },
  50: {
    shows: "a PATCH without a mask means the fields that stand in its body, but for those of the path",
    rpcs: { Update: rpc("patch /v1/books/{book.name}", "UpdateBook", { body: "book" }) },
    exchanges: [
      [
        "PATCH /v1/books/b",
        { json: { book: { name: "b", shelfMark: "x" }, updateMask: "title,shelfMark" } },
        { body: { title: "", shelf_mark: "x", name: "b" } },
      ],
      [
        "PATCH /v1/books/b?updateMask=",
        { json: { book: { name: "b", author: {} }, updateMask: "shelfMark,author" } },
        { body: { shelfMark: null, author: {} } },
      ],
      [
        "PATCH /v1/books/b?update_mask=title",
        { json: { book: { name: "b", pages: 1 }, updateMask: "title" } },
        { body: { pages: 1 } },
      ],
      ["PATCH /v1/books/b", { json: { book: { name: "b" }, updateMask: "" } }, { body: {} }],
    ],
  },
});
