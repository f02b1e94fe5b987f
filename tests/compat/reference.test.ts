import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Reply, type Signer } from "./predecessor.js";

let backstay: TestBackstay;
let star: Signer;
let fans: Signer[];
let rows: { id: string; mtime: number }[];
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  star = await addAccount(backstay, "Star");
  fans = [];
  for (const name of ["Ann", "Ben", "Cid"]) {
    const fan = await addAccount(backstay, name);
    await get(backstay, `/connection/add?id=${star.id}&type=invite&status=from ${name}`, fan);
    fans.push(fan);
  }
  rows = (await get(backstay, "/reference/get?type=invite", star)).json.data;
});
afterAll(() => backstay.stop());

const query = (text: Record<string, string>) => new URLSearchParams(text).toString();
const ids = ({ json }: Reply) => json.data.map(({ id }: { id: string }) => id);
const fanIds = () => fans.map(({ id }) => id);

it("answers all accounts who invited me, as the manual shows it", async () => {
  const { status, json } = await get(backstay, "/reference/get?type=invite", star);
  const names = ["Ann", "Ben", "Cid"];
  const data = fans.map(({ id }, i) => ({
    id,
    type: "invite",
    status: `from ${names[i]}`,
    state: "sent",
    mtime: expect.any(Number),
  }));
  expect({ status, json }).toEqual({ status: 200, json: { count: 3, data, next_token: "" } });
  expect((await post(backstay, "/reference/get", { type: "invite" }, star)).json).toEqual(json);
  expect((await get(backstay, "/reference/get?type=like", star)).json).toEqual({ count: 0, data: [], next_token: "" });
  expect((await get(backstay, "/connection/get", star)).json.data).toEqual([]);
});

it("answers accounts who invited me after the specified mtime, as the manual shows it", async () => {
  const newerThan = (mtime: number) =>
    get(backstay, `/reference/get?type=invite&_keys=id,type,mtime&_ops=mtime,gt&mtime=${mtime}`, star);
  expect(ids(await newerThan(12334312543))).toEqual(fanIds());
  expect(ids(await newerThan(rows[2]!.mtime))).toEqual([]);
  await get(backstay, `/connection/put?id=${star.id}&type=invite&status=again`, fans[0]);
  const { json } = await newerThan(rows[2]!.mtime);
  expect(json).toMatchObject({ count: 1, data: [{ id: fans[0]!.id, status: "again" }] });
  // What it answered last is where the next question begins.
  expect(ids(await newerThan(json.data[0].mtime))).toEqual([]);
});

it("takes mtime by itself as newer than, like the other lists", async () => {
  const newerThan = async (mtime: number) =>
    ids(await get(backstay, `/reference/get?type=invite&mtime=${mtime}`, star));
  expect(await newerThan(rows[0]!.mtime - 1)).toEqual(fanIds());
  expect(await newerThan(rows[2]!.mtime)).toEqual([]);
  expect(await newerThan(999_999_999_999_999)).toEqual([]);
  expect(await newerThan(0)).toEqual(fanIds());
});

it("works the same way as /connection/get: one by id, pages, details, columns, conditions", async () => {
  const by = (parameters: Record<string, string>) => get(backstay, `/reference/get?${query(parameters)}`, star);
  expect(ids(await by({ type: "invite", id: fans[1]!.id }))).toEqual([fans[1]!.id]);
  const first = await by({ _count: "2" });
  expect(ids(first)).toEqual(fanIds().slice(0, 2));
  expect(ids(await by({ _count: "2", _token: first.json.next_token }))).toEqual([fans[2]!.id]);
  expect(ids(await by({ _start: "1", _desc: "1" }))).toEqual([fans[1]!.id, fans[0]!.id]);
  expect((await by({ _details: "1", _select: "id,name", _count: "1" })).json.data).toEqual([
    { id: fans[0]!.id, name: "Ann" },
  ]);
  expect((await by({ _details: "1", _select: "id,login" })).json).toEqual({
    status: 403,
    message: expect.stringContaining("login"),
  });
  expect((await by({ _select: "status", status: "from Ben" })).json.data).toEqual([{ status: "from Ben" }]);
  expect(ids(await by({ _ops: "status,iregexp", status: "(ben|CID)$" }))).toEqual(fanIds().slice(1));
});

it("has no direct writes", async () => {
  for (const path of ["/reference/add", "/reference/put", "/reference/update", "/reference/del"]) {
    expect((await get(backstay, `${path}?id=${fans[0]!.id}&type=like`, star)).status).toBe(404);
  }
});
