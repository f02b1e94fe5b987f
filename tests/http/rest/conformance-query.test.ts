import { conformance, type Exchange, exchange, rpc } from "./conformance.js";

const PROBE = { Probe: rpc("get /v1/probes/{id}", "Probe") };

/** Queries of one probe, and the fields they set or the field and reason they are refused for. */
const sets = (query: string, fields: object): Exchange => [
  `GET /v1/probes/p?${query}`,
  { json: { id: "p", ...fields } },
];
const refuses = (query: string, reason: string, field: string): Exchange => [
  `GET /v1/probes/p?${query}`,
  { status: 400, reason, field },
];

conformance({
  4: {
    shows: "what the path leaves comes from the query, fields of messages by their path",
    rpcs: { Get: rpc("get /v1/messages/{id}", "Probe") },
    exchanges: [
      [
        "GET /v1/messages/123?large=2&book.title=foo",
        { status: 200, json: { id: "123", large: "2", book: { title: "foo" } }, verb: "Get" },
      ],
    ],
  },
  5: {
    shows: "a value of another type is 400 as a google.rpc.Status, and the verb is not called",
    rpcs: PROBE,
    exchanges: [
      [
        "GET /v1/probes/p?large=x",
        {
          status: 400,
          json: {
            code: 3,
            message: "large: must be a whole number from -9223372036854775808 to 9223372036854775807",
            details: [
              { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "WRONG_TYPE", domain: "backstay" },
              {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                fieldViolations: [
                  {
                    field: "large",
                    description: "must be a whole number from -9223372036854775808 to 9223372036854775807",
                  },
                ],
              },
            ],
          },
        },
      ],
      refuses("small=", "WRONG_TYPE", "small"),
      refuses("large=1.5", "WRONG_TYPE", "large"),
      refuses("flag=yes", "WRONG_TYPE", "flag"),
      refuses("book.pages=x", "WRONG_TYPE", "book.pages"),
    ],
  },
  6: {
    shows: "an unknown parameter is 400, unless unknown fields are ignored or it is one of the ignored",
    rpcs: PROBE,
    options: { ignoredParameters: new Set(["bk-signature"]) },
    exchanges: [
      refuses("nope=1", "UNKNOWN_FIELD", "nope"),
      refuses("book.nope=1", "UNKNOWN_FIELD", "book.nope"),
      refuses("small.x=1", "UNKNOWN_FIELD", "small.x"),
      refuses("at.seconds=5", "UNKNOWN_FIELD", "at.seconds"),
      refuses("id=other", "UNKNOWN_FIELD", "id"),
      sets("bk-signature=4%7C&small=1&bk%2Dsignature=%zz", { small: 1 }),
    ],
    also: () => exchange(PROBE, { ignoreUnknownFields: true }, [sets("nope=1&small=2&id=q&nope=%zz", { small: 2 })]),
  },
  7: {
    shows: "parameters have their JSON name or their proto name",
    rpcs: PROBE,
    exchanges: [
      sets("maybeNumber=1&maybe_text=a", { maybeNumber: 1, maybeText: "a" }),
      sets("book.shelf_mark=x&book.author.name=ada", { book: { shelfMark: "x", author: { name: "ada" } } }),
      sets("book.shelfMark=x", { book: { shelfMark: "x" } }),
    ],
  },
  8: {
    shows: "a repeated parameter is a list in its order",
    rpcs: PROBE,
    exchanges: [sets("tags=B&small=1&tags=A&tags=", { tags: ["B", "A", ""], small: 1 })],
  },
  9: {
    shows: "an enum is a name or a number",
    rpcs: PROBE,
    exchanges: [
      sets("state=ACTIVE", { state: "ACTIVE" }),
      sets("state=1", { state: "ACTIVE" }),
      refuses("state=unknown", "WRONG_TYPE", "state"),
      refuses("state=active", "WRONG_TYPE", "state"),
      refuses("state=", "WRONG_TYPE", "state"),
      refuses("state=99999999999", "WRONG_TYPE", "state"),
    ],
  },
  10: {
    shows: "a repeated enum takes names and numbers side by side",
    rpcs: PROBE,
    exchanges: [sets("states=GONE&states=1&states=0", { states: ["GONE", "ACTIVE", "STATE_UNSPECIFIED"] })],
  },
  11: {
    shows: "a Timestamp is RFC 3339",
    rpcs: PROBE,
    exchanges: [
      sets("at=2021-01-01T00:00:00Z", { at: "2021-01-01T00:00:00Z" }),
      sets("at=2021-01-01T01:00:00.5%2B01:00", { at: "2021-01-01T00:00:00.500Z" }),
      refuses("at=null", "WRONG_TYPE", "at"),
      refuses("at=0000-01-01T00:00:00Z", "WRONG_TYPE", "at"),
      refuses("at=1609459200", "WRONG_TYPE", "at"),
    ],
  },
  12: {
    shows: "a Duration is seconds with an s",
    rpcs: PROBE,
    exchanges: [
      sets("wait=3.000000001s", { wait: "3.000000001s" }),
      sets("wait=-1.5s", { wait: "-1.500s" }),
      refuses("wait=3", "WRONG_TYPE", "wait"),
    ],
  },
  13: {
    shows: "a FieldMask is names with commas between, as JSON or the proto spells them",
    rpcs: PROBE,
    exchanges: [
      sets("mask=foo,bar.baz", { mask: "foo,bar.baz" }),
      sets("mask=barBaz.qux_quux", { mask: "barBaz.quxQuux" }),
    ],
  },
  14: {
    shows: "a wrapper is what it wraps, in quotes or not",
    rpcs: PROBE,
    exchanges: [
      sets("maybe_number=7", { maybeNumber: 7 }),
      sets("maybe_number=%227%22", { maybeNumber: 7 }),
      sets("maybe_text=hello", { maybeText: "hello" }),
      sets("maybe_text=%22hello%22", { maybeText: "hello" }),
      sets("maybe_text=%22a%5C%22b%22", { maybeText: 'a"b' }),
      sets("maybe_text=%22", { maybeText: '"' }),
      sets("maybe_text=null", { maybeText: "null" }),
      sets("maybe_flag=true", { maybeFlag: true }),
      sets("maybe_number=0&maybe_text=&maybe_flag=false", { maybeNumber: 0, maybeText: "", maybeFlag: false }),
      sets("left=%22hello%22", { left: '"hello"' }),
      refuses("maybe_number=null", "WRONG_TYPE", "maybeNumber"),
      refuses("maybe_text=a%00", "NUL_IN_TEXT", "maybeText"),
    ],
  },
  15: {
    shows: "bytes are base64 of either alphabet, padded or not",
    rpcs: PROBE,
    exchanges: [
      sets("raw_data=%2B%2F8%3D", { rawData: "+/8=" }),
      sets("raw_data=+/8=", { rawData: "+/8=" }),
      sets("raw_data=-_8=", { rawData: "+/8=" }),
      sets("raw_data=-_8", { rawData: "+/8=" }),
      refuses("raw_data=!", "WRONG_TYPE", "rawData"),
    ],
  },
  16: {
    shows: "numbers stay within their type",
    rpcs: PROBE,
    exchanges: [
      sets("ratio=NaN&narrow=-Infinity", { ratio: "NaN", narrow: "-Infinity" }),
      sets("ratio=Infinity&narrow=-0.25", { ratio: "Infinity", narrow: -0.25 }),
      sets("ratio=1.5e3", { ratio: 1500 }),
      sets("small=-2147483648&large=9007199254740993", { small: -2147483648, large: "9007199254740993" }),
      refuses("narrow=1e39", "WRONG_TYPE", "narrow"),
      refuses("ratio=1e999", "WRONG_TYPE", "ratio"),
      refuses("narrow=0x10", "WRONG_TYPE", "narrow"),
      refuses("large=0x10", "WRONG_TYPE", "large"),
      refuses("large=+", "WRONG_TYPE", "large"),
      refuses("small=2147483648", "WRONG_TYPE", "small"),
      refuses("large=9223372036854775808", "WRONG_TYPE", "large"),
    ],
  },
  17: {
    shows: "one member of a oneof is set, two are refused, wherever they stand",
    rpcs: {
      ...PROBE,
      Left: rpc("get /v1/left/{left}", "Probe"),
      Put: rpc("put /v1/shelves/{name}", "Shelf", { body: "book" }),
      Write: rpc("post /v1/left/{left}", "Probe", { body: "*" }),
    },
    exchanges: [
      sets("left=l", { left: "l" }),
      refuses("left=a&right=b", "INVALID_FIELD", "right"),
      ["GET /v1/left/l?right=r", { status: 400, reason: "INVALID_FIELD", field: "left" }],
      ["PUT /v1/shelves/s?label=l", { status: 400, reason: "INVALID_FIELD", field: "label" }, { body: {} }],
      ["PUT /v1/shelves/s?label=l", { json: { name: "s", label: "l" } }],
      ["POST /v1/left/l", { status: 400, reason: "INVALID_FIELD", field: "left" }, { body: { right: "r" } }],
      ["POST /v1/left/l", { json: { left: "l" } }, { body: { left: "l" } }],
      ["POST /v1/left/l", { status: 400, reason: "INVALID_FIELD", field: "left" }, { body: { left: "r" } }],
    ],
  },
  18: {
    shows: "a field that is not repeated is given once; a second value is 400",
    rpcs: PROBE,
    exchanges: [
      refuses("small=1&small=2", "INVALID_FIELD", "small"),
      refuses("small=1&small=1", "INVALID_FIELD", "small"),
      refuses("rawData=&raw_data=", "INVALID_FIELD", "rawData"),
    ],
  },
  19: {
    shows: "a map in a query is refused in every spelling, also when unknown parameters are ignored",
    rpcs: PROBE,
    options: { ignoreUnknownFields: true },
    exchanges: [
      refuses("labels=x", "INVALID_FIELD", "labels"),
      refuses("labels[k]=v", "INVALID_FIELD", "labels[k]"),
      refuses("labels%5Bk%5D=v", "INVALID_FIELD", "labels[k]"),
      refuses("labels.k=v", "INVALID_FIELD", "labels.k"),
    ],
  },
  20: {
    shows: "a message, one or repeated, cannot be given as text",
    rpcs: PROBE,
    exchanges: [refuses("book=x", "INVALID_FIELD", "book"), refuses("books=x", "INVALID_FIELD", "books")],
  },
  51: {
    shows: "a plus in a query is a space and %2B a plus; a broken escape is 400 in path and query",
    rpcs: PROBE,
    exchanges: [
      sets("left=a+b%2Bc", { left: "a b+c" }),
      ["GET /v1/probes/a+b", { json: { id: "a+b" } }],
      sets("left=a=b&&", { left: "a=b" }),
      sets("left", { left: "" }),
      refuses("left=%zz", "INVALID_FIELD", "left"),
      refuses("%zz=1", "INVALID_FIELD", "%zz"),
      refuses("left=%ff", "INVALID_UTF8", "left"),
      ["GET /v1/probes/%zz", { status: 400, reason: "INVALID_FIELD", field: "id" }],
      ["GET /v1/probes/%", { status: 400, reason: "INVALID_FIELD", field: "id" }],
      ["GET /v1/probes/%E4", { status: 400, reason: "INVALID_UTF8", field: "id" }],
      ["GET /v1/probes/a%00b", { status: 400, reason: "NUL_IN_TEXT", field: "id" }],
    ],
  },
});
