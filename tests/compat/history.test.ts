import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Signer } from "./predecessor.js";

let backstay: TestBackstay;
let ann: Signer;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ann = await addAccount(backstay, "Ann");
});
afterAll(() => backstay.stop());

const query = (text: Record<string, string>) => new URLSearchParams(text).toString();
const id = expect.stringMatching(/^[0-9a-f]{32}$/);
const mtime = expect.any(Number);
const all = async () => (await get(backstay, "/history/get", ann)).json;

describe("/history/add", () => {
  it("adds a record with its time; all other fields are optional", async () => {
    const { status, json } = await get(backstay, "/history/add?type=login&data=from+the+phone", ann);
    expect({ status, json }).toEqual({ status: 200, json: { id, type: "login", data: "from the phone", mtime } });
    expect(Math.abs(json.mtime - Date.now())).toBeLessThan(60_000);
    expect((await get(backstay, "/history/add?type=logout", ann)).json).toEqual({ id, type: "logout", mtime });
    const form = new URLSearchParams({ data: '{"kept":"as text"}' });
    expect((await post(backstay, "/history/add", form, ann)).json).toEqual({ id, data: '{"kept":"as text"}', mtime });
    expect((await get(backstay, "/history/add", ann)).json).toEqual({ id, mtime });
    const { count, data } = await all();
    expect([count, data[0]]).toEqual([4, json]);
  });

  it.each([
    [{ lines: [1, null, { deep: "ünï" }], ok: true }],
    [[1, [2, []], {}]],
    [42.5],
    [false],
    ["text"],
    [{ ["__proto__"]: 1, constructor: "c" }],
  ])("keeps the value that a JSON body gives: %j", async (data) => {
    const { status, json } = await post(backstay, "/history/add", { type: "entry", data }, ann);
    expect({ status, json }).toEqual({ status: 200, json: { id, type: "entry", data, mtime } });
    expect((await all()).data).toEqual([json]);
  });

  it("takes null for nothing, and the other parameters of a JSON body as text", async () => {
    const { json } = await post(backstay, "/history/add", { type: 7, data: null }, ann);
    expect(json).toEqual({ id, type: "7", mtime });
    expect((await post(backstay, "/history/add", { type: { a: 1 } }, ann)).status).toBe(400);
  });

  it.each([
    ["too many levels", `{"data":${"[".repeat(200_000)}${"]".repeat(200_000)}}`],
    ["a few levels too many", `{"data":${"[".repeat(40)}${"]".repeat(40)}}`],
    ["half a character inside", '{"data":["a\\ud800"]}'],
    ["a NUL inside", '{"data":{"a":"\\u0000"}}'],
    ["a NUL", '{"data":"\\u0000"}'],
    ["a number beyond all numbers", '{"data":1e999}'],
    ["more than 64 KiB", `{"data":"${"x".repeat(65_537)}"}`],
    ["a type that is too long", `{"type":"${"x".repeat(129)}"}`],
  ])("refuses %s", async (_, body) => {
    const reply = await post(backstay, "/history/add", body, ann, { "content-type": "application/json" });
    expect(reply).toMatchObject({ status: 400, json: { status: 400 } });
    expect((await all()).data).toEqual([]);
  });

  it.each([
    ["levels", `{"data":${"[".repeat(33)}${"]".repeat(33)}}`, "data: at most 32 levels deep"],
    ["size", `{"data":"${"x".repeat(65_537)}"}`, "data: at most 64 KiB of JSON"],
    ["a NUL", '{"data":{"a":"\\u0000"}}', "data: Text contains a NUL character."],
    ["a NUL in the type", '{"type":"\\u0000"}', "type: Text contains a NUL character."],
    ["half a character", '{"data":["a\\ud800"]}', "data: Text is not valid UTF-8."],
  ])("names the parameter that is refused: %s", async (_, body, message) => {
    const { json } = await post(backstay, "/history/add", body, ann, { "content-type": "application/json" });
    expect(json).toEqual({ status: 400, message });
  });
});

describe("/history/get", () => {
  const by = async (parameters: Record<string, string>) =>
    (await get(backstay, `/history/get?${query(parameters)}`, ann)).json;
  const dataOf = ({ data }: { data: { data: string }[] }) => data.map((row) => row.data);
  beforeEach(async () => {
    for (const [type, data] of Object.entries({ a: "one", b: "two", c: "three" })) {
      await get(backstay, `/history/add?${query({ type, data })}`, ann);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });

  it("returns all records from the beginning when mtime is not specified", async () => {
    const answer = await by({});
    expect(answer).toMatchObject({ count: 3, next_token: "" });
    expect(answer.data[0]).toEqual({ id, type: "a", data: "one", mtime });
    expect(dataOf(answer)).toEqual(["one", "two", "three"]);
    expect((await post(backstay, "/history/get", {}, ann)).json).toEqual(answer);
  });

  it("paginates by _count and _start, and by _token", async () => {
    expect(dataOf(await by({ _count: "2" }))).toEqual(["one", "two"]);
    expect(dataOf(await by({ _count: "2", _start: "2" }))).toEqual(["three"]);
    expect(dataOf(await by({ _start: "1", _count: "1" }))).toEqual(["two"]);
    expect(await by({ _start: "3" })).toEqual({ count: 0, data: [], next_token: "" });
    const { next_token } = await by({ _count: "2" });
    expect(dataOf(await by({ _count: "2", _token: next_token }))).toEqual(["three"]);
    expect(dataOf(await by({ _desc: "1", _count: "1" }))).toEqual(["three"]);
  });

  it("starts with the time that mtime says, in milliseconds", async () => {
    const rows = (await by({})).data;
    expect(dataOf(await by({ mtime: String(rows[0].mtime) }))).toEqual(["two", "three"]);
    expect(dataOf(await by({ mtime: String(rows[2].mtime) }))).toEqual([]);
    expect(dataOf(await by({ mtime: String(rows[1].mtime), _ops: "mtime,ge" }))).toEqual(["two", "three"]);
    expect((await get(backstay, "/history/get?mtime=yesterday", ann)).status).toBe(400);
  });

  it("filters by type, selects columns, and ignores columns it does not know", async () => {
    expect(dataOf(await by({ type: "b" }))).toEqual(["two"]);
    expect(dataOf(await by({ _ops: "type,ne", type: "b" }))).toEqual(["one", "three"]);
    expect((await by({ type: "c", _select: "data" })).data).toEqual([{ data: "three" }]);
    expect(dataOf(await by({ nosuch: "1" }))).toHaveLength(3);
    expect(await by({ _keys: "nosuch", nosuch: "1" })).toMatchObject({ status: 400 });
  });

  it("refuses data for a condition, and _select of what is no column", async () => {
    const refused = { status: 400, message: "Rows are not searched by data." };
    for (const text of ["type=b&data=zzz", "data=two", "_keys=type,data&type=b&data=two", "_ops=data,like&data=t%25"]) {
      expect((await get(backstay, `/history/get?${text}`, ann)).json).toEqual(refused);
    }
    expect((await get(backstay, "/history/get?_ops=data,null", ann)).json).toEqual(refused);
    expect((await post(backstay, "/history/get", { data: { deep: 1 } }, ann)).status).toBe(400);
    // What `_keys` leaves out, or names without a value, is no condition.
    expect(dataOf(await by({ type: "b", _keys: "type", data: "zzz" }))).toEqual(["two"]);
    expect(dataOf(await by({ type: "b", _keys: "type,data", data: "" }))).toEqual(["two"]);
    expect(await by({ _select: "data,nope" })).toEqual({ status: 400, message: "There is no column nope here." });
  });

  it("takes mtime for no condition that _keys does not name", async () => {
    expect(dataOf(await by({ _keys: "type", type: "b", mtime: "9999999999999" }))).toEqual(["two"]);
    expect(await by({ _keys: "type,mtime", type: "b", mtime: "9999999999999" })).toMatchObject({ count: 0 });
    expect(await by({ _ops: "mtime,gt,mtime,lt", mtime: "1" })).toEqual({
      status: 400,
      message: "The column mtime stands twice in _ops.",
    });
  });

  it("is of the current account only, and for who is signed in", async () => {
    const ben = await addAccount(backstay, "Ben");
    expect((await get(backstay, "/history/get", ben)).json).toEqual({ count: 0, data: [], next_token: "" });
    expect((await get(backstay, "/history/get")).status).toBe(401);
    expect((await get(backstay, "/history/add?type=a")).status).toBe(401);
    expect((await get(backstay, `/history/add?id=${ann.id}&type=a`, ben)).status).toBe(403);
  });
});
