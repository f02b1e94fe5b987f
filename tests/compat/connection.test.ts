import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Reply, type Signer, signature } from "./predecessor.js";

let backstay: TestBackstay;
let ann: Signer;
let ben: Signer;
beforeAll(async () => {
  backstay = await startBackstay({ "events.poll_interval": "200ms", "events.poll_timeout": "2s" });
});
beforeEach(async () => {
  ann = await addAccount(backstay, "Ann");
  ben = await addAccount(backstay, "Ben");
});
afterAll(() => backstay.stop());

const query = (text: Record<string, string>) => new URLSearchParams(text).toString();
const ids = ({ json }: Reply) => json.data.map(({ id }: { id: string }) => id);
const mtime = expect.any(Number);
const countersOf = async (signer: Signer) => (await get(backstay, "/counter/get", signer)).json;

/** Links to new accounts, each a moment after the other. */
async function likes(count: number) {
  const peers: Signer[] = [];
  for (let i = 0; i < count; i++) {
    const peer = await addAccount(backstay, `Peer ${i}`);
    await get(backstay, `/connection/put?id=${peer.id}&type=like&n=${i}`, ann);
    peers.push(peer);
  }
  return peers;
}

describe.each(["/connection/add", "/connection/put"])("%s", (path) => {
  it("creates a connection, and both see it and its counters, as the manual shows it", async () => {
    const { status, json } = await get(backstay, `${path}?id=${ben.id}&type=invite&state=sent`, ann);
    expect({ status, json }).toEqual({ status: 200, json: { id: ben.id, type: "invite", state: "sent", mtime } });
    expect(Math.abs(json.mtime - Date.now())).toBeLessThan(60_000);
    expect((await get(backstay, "/connection/get?type=invite", ann)).json).toEqual({
      count: 1,
      data: [json],
      next_token: "",
    });
    expect((await get(backstay, "/reference/get?type=invite", ben)).json).toEqual({
      count: 1,
      data: [{ ...json, id: ann.id }],
      next_token: "",
    });
    expect(await countersOf(ann)).toMatchObject({ invite0: 1, invite1: 0 });
    expect(await countersOf(ben)).toMatchObject({ invite0: 0, invite1: 1 });
  });

  it("replaces what is there, and counts it once", async () => {
    await get(backstay, `${path}?id=${ben.id}&type=like&note=first&more=1`, ann);
    const form = new URLSearchParams({ id: ben.id, type: "like", note: "this is + the form" });
    const byForm = (await post(backstay, path, form, ann)).json;
    expect(byForm).toEqual({ id: ben.id, type: "like", note: "this is + the form", mtime });
    const byJson = (await post(backstay, path, { id: ben.id, type: "like", stars: 5, tags: ["a", "b"] }, ann)).json;
    expect(byJson).toEqual({ id: ben.id, type: "like", stars: "5", tags: "a,b", mtime });
    expect((await get(backstay, "/connection/get", ann)).json.data).toEqual([byJson]);
    expect(await countersOf(ann)).toMatchObject({ like0: 1 });
    expect(await countersOf(ben)).toMatchObject({ like1: 1 });
  });

  it("with _connected says whether the other side is connected to us as well", async () => {
    const url = (peer: Signer) => `${path}?id=${peer.id}&type=like&_connected=1`;
    expect((await get(backstay, url(ben), ann)).json).toEqual({ id: ben.id, type: "like", mtime });
    expect((await get(backstay, url(ann), ben)).json).toEqual({ id: ann.id, type: "like", connected: 1, mtime });
    expect((await get(backstay, `${path}?id=${ben.id}&type=like`, ann)).json).not.toHaveProperty("connected");
  });

  it("takes no property for that answer, whoever made it", async () => {
    const url = `${path}?id=${ben.id}&type=like&connected=1&_connected=1`;
    const made = { id: ben.id, type: "like", mtime };
    expect((await get(backstay, url, ann)).json).toEqual(made);
    const rest = {
      method: "PUT",
      url: `${backstay.url}/v1/connections/${ben.id}/like`,
      contentType: "application/json",
      body: JSON.stringify({ properties: { connected: "1", note: "x" } }),
    };
    const headers = { "bk-signature": signature(ann, rest), "content-type": rest.contentType };
    expect((await fetch(rest.url, { ...rest, headers })).status).toBe(200);
    expect((await get(backstay, "/connection/get?connected=1", ann)).json.data).toEqual([{ ...made, note: "x" }]);
    expect((await get(backstay, "/reference/get", ben)).json.data).toEqual([{ ...made, id: ann.id, note: "x" }]);
    const update = await get(backstay, `/connection/update?id=${ben.id}&type=like&connected=1`, ann);
    expect(update.json).toEqual({ status: 400, message: expect.stringContaining("Give a property to change") });
  });

  it("needs both parameters, and refuses oneself, nobody, and a type that is none", async () => {
    const refusals = await Promise.all(
      [`id=${ben.id}`, "type=like", `id=${ann.id}&type=like`, "id=12345&type=like", `id=${ben.id}&type=Like!`].map(
        async (text) => (await get(backstay, `${path}?${text}`, ann)).json,
      ),
    );
    expect(refusals).toMatchObject([
      { status: 400, message: expect.stringContaining("type") },
      { status: 400, message: expect.stringContaining("id") },
      { status: 400 },
      { status: 404 },
      { status: 400, message: expect.stringMatching(/^type: /) },
    ]);
    const long = await get(backstay, `${path}?id=${"x".repeat(65)}&type=like`, ann);
    expect(long.json).toEqual({ status: 400, message: expect.stringMatching(/^id: /) });
    expect((await get(backstay, `${path}?id=${ben.id}&type=like`)).status).toBe(401);
  });

  it("names what is refused of its properties", async () => {
    const refusal = async (properties: Record<string, string>) =>
      (await post(backstay, path, new URLSearchParams({ id: ben.id, type: "like", ...properties }), ann)).json;
    expect(await refusal({ a: "x".repeat(4_097) })).toEqual({
      status: 400,
      message: "properties: at most 4 KiB as JSON",
    });
    expect(await refusal({ a: "\0" })).toEqual({
      status: 400,
      message: "properties: Text contains a NUL character.",
    });
  });

  it("keeps what a client adds for itself, but neither its signature nor a time", async () => {
    const url = `${backstay.url}${path}?id=${ben.id}&type=like&state=new&mtime=1&_session=0`;
    const signed = `${url}&bk-signature=${encodeURIComponent(signature(ann, { method: "GET", url }))}`;
    expect(await (await fetch(signed)).json()).toEqual({ id: ben.id, type: "like", state: "new", mtime });
    const names = { ["__proto__"]: "p", constructor: "c" };
    const { json } = await get(backstay, `${path}?${query({ id: ben.id, type: "like", ...names })}`, ann);
    expect(json).toMatchObject({ id: ben.id, type: "like", constructor: "c" });
  });
});

describe("/connection/update", () => {
  it("changes other properties on both sides, and no counter", async () => {
    await get(backstay, `/connection/put?id=${ben.id}&type=follow&a=1&b=2`, ann);
    const { json } = await get(backstay, `/connection/update?id=${ben.id}&type=follow&b=3&c=4`, ann);
    expect(json).toEqual({ id: ben.id, type: "follow", a: "1", b: "3", c: "4", mtime });
    expect((await get(backstay, "/reference/get?type=follow", ben)).json.data).toEqual([{ ...json, id: ann.id }]);
    const posted = await post(backstay, "/connection/update", { id: ben.id, type: "follow", c: "5" }, ann);
    expect(posted.json).toMatchObject({ a: "1", c: "5" });
    expect(await countersOf(ann)).toMatchObject({ follow0: 1 });
    expect(await countersOf(ben)).toMatchObject({ follow1: 1 });
  });

  it("names what is refused of its properties", async () => {
    await get(backstay, `/connection/put?id=${ben.id}&type=follow&a=1`, ann);
    const refusal = async (properties: object) =>
      (await post(backstay, "/connection/update", { id: ben.id, type: "follow", ...properties }, ann)).json.message;
    expect(await refusal({ b: "x".repeat(4_097) })).toBe("properties: at most 4 KiB as JSON");
    const big = "x".repeat(3_900);
    for (const name of ["c", "d", "e", "f"]) {
      await post(backstay, "/connection/update", { id: ben.id, type: "follow", [name]: big }, ann);
    }
    expect(await refusal({ g: big })).toMatch(/^properties: at most \d+ KiB as JSON /);
  });

  it("answers an invite, as the manual shows it: the invited one does, and once", async () => {
    await get(backstay, `/connection/add?id=${ben.id}&type=invite&state=sent`, ann);
    const byInviter = await get(backstay, `/connection/update?id=${ben.id}&type=invite&state=accepted`, ann);
    expect(byInviter.json).toMatchObject({ status: 400, message: expect.stringContaining("invite") });
    const { status, json } = await get(backstay, `/connection/update?id=${ann.id}&type=invite&state=accepted`, ben);
    expect({ status, json }).toMatchObject({ status: 200, json: { type: "invite", state: "accepted", mtime } });
    expect((await get(backstay, `/connection/get?type=invite&id=${ben.id}`, ann)).json.data).toMatchObject([
      { id: ben.id, type: "invite", state: "accepted" },
    ]);
    const again = await get(backstay, `/connection/update?id=${ann.id}&type=invite&state=declined`, ben);
    expect(again.status).toBe(400);
  });

  it("refuses a connection that is not there, and one without anything to change", async () => {
    const of = (text: string) => get(backstay, `/connection/update?id=${ben.id}${text}`, ann);
    expect((await of("&type=like&state=a")).status).toBe(404);
    expect((await of("&type=like")).status).toBe(400);
    expect((await of("&type=like&state=")).status).toBe(400);
    expect((await of("&state=a")).status).toBe(400);
  });
});

describe("/connection/del", () => {
  it("deletes by type and id, as the manual shows it, with reference and counters", async () => {
    await get(backstay, `/connection/add?id=${ben.id}&type=invite`, ann);
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    const { status, json } = await get(backstay, `/connection/del?type=invite&id=${ben.id}`, ann);
    expect({ status, json }).toEqual({ status: 200, json: { count: 1 } });
    expect((await get(backstay, `/connection/del?type=invite&id=${ben.id}`, ann)).json).toEqual({ count: 0 });
    expect((await get(backstay, "/reference/get", ben)).json.data).toMatchObject([{ id: ann.id, type: "like" }]);
    expect(await countersOf(ann)).toMatchObject({ invite0: 0, like0: 1 });
    expect(await countersOf(ben)).toMatchObject({ invite1: 0, like1: 1 });
  });

  it("deletes by one of the two, and everything when neither is given", async () => {
    const cid = await addAccount(backstay, "Cid");
    for (const peer of [ben, cid]) {
      for (const type of ["like", "follow", "view"])
        await post(backstay, "/connection/put", { id: peer.id, type }, ann);
    }
    expect((await get(backstay, `/connection/del?id=${cid.id}`, ann)).json).toEqual({ count: 3 });
    expect((await post(backstay, "/connection/del", { type: "view" }, ann)).json).toEqual({ count: 1 });
    expect((await get(backstay, "/connection/del", ann)).json).toEqual({ count: 2 });
    expect((await get(backstay, "/connection/get", ann)).json).toEqual({ count: 0, data: [], next_token: "" });
    expect(await countersOf(ben)).toMatchObject({ like1: 0, follow1: 0, view1: 0 });
  });

  it.each([
    "id=",
    "type=",
    "id=&type=like",
    "type=&id=12345",
    "state=sent",
    "type=like&mtime=1",
    "type=like&_ops=type,ne",
    "_keys=type",
    "_count=1",
  ])("deletes nothing for %s: what is empty, or no condition, must not widen it", async (text) => {
    await get(backstay, `/connection/put?id=${ben.id}&type=like`, ann);
    expect((await get(backstay, `/connection/del?${text}`, ann)).status).toBe(400);
    expect(await countersOf(ann)).toMatchObject({ like0: 1 });
  });
});

describe("/connection/get", () => {
  it("answers all accounts who i invited, or the one that id names, as the manual shows it", async () => {
    const cid = await addAccount(backstay, "Cid");
    for (const peer of [ben, cid]) await get(backstay, `/connection/add?id=${peer.id}&type=invite&status=new`, ann);
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    const all = await get(backstay, "/connection/get?type=invite", ann);
    const row = { type: "invite", status: "new", state: "sent", mtime };
    expect(all.json).toEqual({
      count: 2,
      data: [
        { ...row, id: ben.id },
        { ...row, id: cid.id },
      ],
      next_token: "",
    });
    const one = await get(backstay, `/connection/get?type=invite&id=${cid.id}`, ann);
    expect(one.json).toEqual({ count: 1, data: [{ ...row, id: cid.id }], next_token: "" });
    expect((await post(backstay, "/connection/get", { type: "invite", id: cid.id }, ann)).json).toEqual(one.json);
    expect((await get(backstay, "/connection/get", ann)).json.count).toBe(3);
    expect((await get(backstay, "/connection/get?type=invite&id=12345", ann)).json.data).toEqual([]);
  });

  it("pages by _count and _token, and leaves out by _start and _page", async () => {
    const peers = (await likes(5)).map(({ id }) => id);
    const by = (parameters: Record<string, string>) =>
      get(backstay, `/connection/get?${query({ type: "like", ...parameters })}`, ann);
    const first = await by({ _count: "2" });
    expect(ids(first)).toEqual(peers.slice(0, 2));
    const second = await by({ _count: "2", _token: first.json.next_token });
    expect(ids(second)).toEqual(peers.slice(2, 4));
    const last = await by({ _count: "2", _token: second.json.next_token });
    expect(last.json).toMatchObject({ count: 1, data: [{ id: peers[4] }], next_token: "" });
    expect(ids(await by({ _start: "3" }))).toEqual(peers.slice(3));
    expect(ids(await by({ _page: "2", _count: "2" }))).toEqual(peers.slice(2, 4));
    expect(ids(await by({ _desc: "1", _count: "2" }))).toEqual([peers[4], peers[3]]);
    expect((await by({ _count: "501" })).json.message).toMatch(/^_count: /);
    expect((await by({ _token: "damaged" })).status).toBe(400);
  });

  it("shows the public columns of accounts in place of the connection's with _details=1", async () => {
    await get(backstay, `/connection/put?id=${ben.id}&type=like&note=kept`, ann);
    await get(backstay, "/account/update?alias=Benny&email=ben@test.com", ben);
    const { json } = await get(backstay, "/connection/get?type=like&_details=1", ann);
    expect(json).toEqual({
      count: 1,
      data: [{ id: ben.id, name: "Ben", alias: "Benny", ctime: mtime, mtime }],
      next_token: "",
    });
    const select = async (columns: string) =>
      (await get(backstay, `/connection/get?type=like&_details=1&_select=${columns}`, ann)).json;
    expect((await select("name")).data).toEqual([{ name: "Ben" }]);
    expect(await select("id,email")).toEqual({ status: 403, message: expect.stringContaining("email") });
    expect(await select("type")).toEqual({ status: 403, message: expect.stringContaining("column type") });
    expect(await select("nope")).toEqual({ status: 400, message: "There is no column nope here." });
  });

  it("selects columns, and filters by properties with _keys and _ops", async () => {
    const peers = (await likes(3)).map(({ id }) => id);
    const by = (parameters: Record<string, string>) => get(backstay, `/connection/get?${query(parameters)}`, ann);
    expect((await by({ _select: "id,n", _count: "1" })).json.data).toEqual([{ id: peers[0], n: "0" }]);
    expect(ids(await by({ n: "1" }))).toEqual([peers[1]]);
    expect(ids(await by({ type: "like", _keys: "type,n", _ops: "n,gt", n: "0" }))).toEqual(peers.slice(1));
    expect(ids(await by({ type: "like", _keys: "type", n: "1" }))).toEqual(peers);
    expect(ids(await by({ _ops: "n,in", n: "0,2" }))).toEqual([peers[0], peers[2]]);
    expect(ids(await by({ _ops: "id,in", id: peers.slice(1).join(",") }))).toEqual(peers.slice(1));
    expect(ids(await by({ _ops: "type,begins_with", type: "li" }))).toEqual(peers);
    expect(ids(await by({ _ops: "state,null" }))).toEqual(peers);
    // A property that no row has is a column without a value.
    expect((await by({ _select: "nope", _count: "1" })).json.data).toEqual([{}]);
    expect(ids(await by({ _keys: "type", _ops: "n,gt", type: "like", n: "0" }))).toEqual(peers);
    expect(ids(await by({ _keys: "state", _ops: "state,null" }))).toEqual(peers);
    expect((await by({ _ops: "n,gt,n,lt", n: "1" })).json.message).toBe("The column n stands twice in _ops.");
    expect((await by({ _ops: "connected,ne", connected: "1" })).json.message).toContain("connected");
    expect((await by({ _ops: "n,expr", n: "1" })).status).toBe(400);
    expect((await by({ _ops: "n,regexp", n: "(" })).status).toBe(400);
  });

  it("answers what was written after mtime, a change of properties too", async () => {
    const peers = (await likes(3)).map(({ id }) => id);
    const rows = (await get(backstay, "/connection/get", ann)).json.data;
    const newerThan = async (time: number, more = "") =>
      ids(await get(backstay, `/connection/get?type=like&mtime=${time}${more}`, ann));
    expect(await newerThan(rows[0].mtime - 1)).toEqual(peers);
    expect(await newerThan(rows[2].mtime)).toEqual([]);
    expect(await newerThan(rows[2].mtime, "&_ops=mtime,gt")).toEqual([]);
    expect(await newerThan(rows[1].mtime, "&_ops=mtime,le&_keys=mtime")).not.toContain(peers[2]);
    await get(backstay, `/connection/update?id=${peers[0]}&type=like&n=9`, ann);
    expect(await newerThan(rows[2].mtime)).toEqual([peers[0]]);
    expect((await get(backstay, "/connection/get?mtime=yesterday", ann)).status).toBe(400);
    // Where `_keys` does not name it, it is no condition.
    expect(await newerThan(999_999_999_999_999, "&_keys=type")).toHaveLength(3);
    expect(await newerThan(999_999_999_999_999, "&_keys=type&_ops=mtime,gt")).toHaveLength(3);
    expect(await newerThan(999_999_999_999_999, "&_keys=type,mtime")).toEqual([]);
    // What is later than every time there is is none.
    expect(await newerThan(999_999_999_999_999)).toEqual([]);
    expect(await newerThan(253_402_300_799_999, "&_desc=1")).toEqual([]);
  });

  it("is for who is signed in", async () => {
    for (const path of ["/connection/get", "/connection/del", "/reference/get?type=like"]) {
      expect((await get(backstay, path)).json).toMatchObject({ status: 401 });
    }
  });
});

describe("/account/subscribe", () => {
  const match = query({ match: "connection/add.*type:*like" });

  it("tells the other account of the connection, and of no other where the pattern is the manual's", async () => {
    const waiting = get(backstay, `/account/subscribe?${match}`, ben);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await get(backstay, `/connection/add?id=${ben.id}&type=view`, ann);
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    const { status, json } = await waiting;
    expect({ status, json }).toEqual({ status: 200, json: [{ path: "/connection/add", mtime, type: "like" }] });
    expect(Object.keys(json[0])).toEqual(["path", "mtime", "type"]);
  });

  it("tells of a change, and of the end", async () => {
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    const waiting = get(backstay, `/account/subscribe?${query({ match: "connection/(update|del)" })}`, ben);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await get(backstay, `/connection/put?id=${ben.id}&type=like&again=1`, ann);
    await get(backstay, "/connection/del?type=like", ann);
    expect((await waiting).json).toEqual([
      { path: "/connection/update", mtime, type: "like" },
      { path: "/connection/del", mtime, type: "like" },
    ]);
  });

  it("leaves out one's own doing, and the wish to match nothing of it", async () => {
    const waiting = get(backstay, `/account/subscribe?${match}`, ann);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    expect((await waiting).json).toEqual([]);
  });
});
