import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Signer } from "./predecessor.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "events.poll_interval": "200ms", "events.poll_timeout": "2s" });
});
afterAll(() => backstay.stop());

const query = (text: Record<string, string>) => new URLSearchParams(text).toString();
const texts = ({ json }: { json: { data: { msg: string }[] } }) => json.data.map(({ msg }) => msg);

/** Two people, and what the first has written to the second. */
async function correspondence(...written: string[]) {
  const ann = await addAccount(backstay, "Ann");
  const ben = await addAccount(backstay, "Ben");
  const sent = [];
  for (const msg of written) sent.push((await get(backstay, `/message/add?${query({ id: ben.id, msg })}`, ann)).json);
  return { ann, ben, sent };
}

it("/message/add sends, by GET and by POST, and answers the message's sender and time", async () => {
  const { ann, ben, sent } = await correspondence("Hello");
  expect(sent).toEqual([{ id: ben.id, sender: ann.id, msg: "Hello", mtime: expect.any(Number), status: "N" }]);
  expect((await post(backstay, "/message/add", { id: ben.id, msg: 42 }, ann)).json.msg).toBe("42");
  const form = new URLSearchParams({ id: ben.id, msg: "this is + the form" });
  expect((await post(backstay, "/message/add", form, ann)).json.msg).toBe("this is + the form");
  expect((await get(backstay, "/message/get", ben)).json.data).toHaveLength(3);
});

it("/message/add refuses an unknown receiver, a message without text, and an image it cannot keep", async () => {
  const ann = await addAccount(backstay);
  const statusOf = async (parameters: Record<string, string>) =>
    (await post(backstay, "/message/add", parameters, ann)).status;
  expect(await statusOf({ id: "nobody", msg: "x" })).toBe(404);
  expect(await statusOf({ id: "nobody" })).toBe(400);
  expect(await statusOf({ msg: "x" })).toBe(400);
  expect(await statusOf({ id: "nobody", msg: "x", icon: "aWNvbg==" })).toBe(400);
});

describe("/message/get", () => {
  it("answers what was received, the newer than mtime, that of a sender, and by pages", async () => {
    const { ann, ben, sent } = await correspondence("one", "two", "three");
    const cid = await addAccount(backstay, "Cid");
    await get(backstay, `/message/add?${query({ id: ben.id, msg: "four" })}`, cid);
    const by = async (parameters: Record<string, string>) => get(backstay, `/message/get?${query(parameters)}`, ben);
    expect(texts(await by({}))).toEqual(["one", "two", "three", "four"]);
    expect((await by({})).json).toMatchObject({ count: 4, next_token: "" });
    expect(texts(await by({ mtime: String(sent[1].mtime) }))).toEqual(["three", "four"]);
    expect(texts(await by({ sender: ann.id }))).toEqual(["one", "two", "three"]);
    const first = await by({ _count: "2", sender: ann.id });
    expect(texts(first)).toEqual(["one", "two"]);
    expect(texts(await by({ _count: "2", sender: ann.id, _token: first.json.next_token }))).toEqual(["three"]);
    expect(texts(await by({ _start: "2", _desc: "1" }))).toEqual(["two", "one"]);
    const later = await by({ _start: "1", _count: "2" });
    expect(texts(later)).toEqual(["two", "three"]);
    expect(texts(await by({ _start: "1", _count: "2", _token: later.json.next_token }))).toEqual(["four"]);
    expect(texts(await by({ id: ben.id, sender: cid.id }))).toEqual(["four"]);
    expect((await by({ _select: "msg", _count: "1" })).json.data).toEqual([{ msg: "one" }]);
  });

  it("filters by _keys and _ops, leaving out keys that have no value, as the manual shows it", async () => {
    const { ben, sent } = await correspondence("Say Hi there", "nothing", "hi again");
    const by = async (parameters: Record<string, string>) =>
      texts(await get(backstay, `/message/get?${query(parameters)}`, ben));
    expect(await by({ _keys: "id,mtime,msg", _ops: "msg,iregexp", msg: "Hi" })).toEqual([
      "Say Hi there",
      "nothing",
      "hi again",
    ]);
    expect(await by({ _keys: "id,mtime,msg", _ops: "msg,iregexp", msg: "\\bhi\\b" })).toEqual([
      "Say Hi there",
      "hi again",
    ]);
    expect(await by({ _ops: "mtime,le", mtime: String(sent[1].mtime) })).toEqual(["Say Hi there", "nothing"]);
  });
});

it("lists show the columns of _select, and refuse what is none", async () => {
  const { ben } = await correspondence("one");
  for (const path of ["/message/get", "/message/get/unread"]) {
    expect((await get(backstay, `${path}?_select=msg,status,icon`, ben)).json.data).toEqual([
      { msg: "one", status: "N" },
    ]);
    const { json } = await get(backstay, `${path}?_select=msg,nope&_read=1`, ben);
    expect(json).toEqual({ status: 400, message: "There is no column nope here." });
  }
  expect(texts(await get(backstay, "/message/get/unread", ben))).toEqual(["one"]);
});

it("/message/get refuses a column that it does not search by, and another's messages", async () => {
  const { ann, ben } = await correspondence("one");
  const by = async (text: string) => (await get(backstay, `/message/get?${text}`, ben)).json;
  for (const text of ["status=N", "_keys=status&status=N", "_ops=status,not null", "icon=x"]) {
    expect(await by(text)).toEqual({ status: 400, message: expect.stringMatching(/status|icon/) });
  }
  expect(await by("_keys=sender&status=N")).toMatchObject({ count: 1 });
  expect(await by(`id=${ann.id}`)).toMatchObject({ status: 403 });
  expect(await by("id=me")).toMatchObject({ count: 1 });
  expect(await by(`id=${ben.id}&_ops=id,ne`)).toMatchObject({ status: 400 });
});

it("/message/get/unread marks nothing read for what it does not choose by", async () => {
  const { ann, ben } = await correspondence("one", "two");
  const texting = [`sender=${ann.id}`, "msg=one", "mtime=1", "_start=1", "_page=2", "_desc=1"];
  for (const text of texting) {
    const { json } = await get(backstay, `/message/get/unread?_read=1&${text}`, ben);
    expect(json).toEqual({ status: 400, message: expect.stringContaining(text.split("=")[0]!) });
  }
  expect((await get(backstay, `/message/get/unread?_read=1&id=${ann.id}`, ben)).status).toBe(403);
  expect(texts(await get(backstay, "/message/get/unread?_start=0&_page=1", ben))).toEqual(["one", "two"]);
});

it("an id that stands there empty is no condition, but names nobody where something changes", async () => {
  const { ann, ben, sent } = await correspondence("one");
  for (const path of ["/message/get", "/message/get/unread"]) {
    expect(texts(await get(backstay, `${path}?id=`, ben))).toEqual(["one"]);
  }
  expect((await get(backstay, "/account/subscribe?id=&match=none", ben)).status).toBe(200);
  const name = `sender=${ann.id}&mtime=${sent[0].mtime}`;
  const changes = [
    "/message/get/unread?id=&_read=1",
    `/message/read?id=&${name}`,
    `/message/del?id=&${name}`,
    `/message/add?id=${ann.id}&msg=x&sender=`,
    "/history/add?id=&type=x",
    "/counter/put?id=&ping=1",
    "/account/put/secret?id=&secret=another+secret",
  ];
  for (const path of changes) expect((await get(backstay, path, ben)).status, path).toBe(400);
  expect(texts(await get(backstay, "/message/get/unread", ben))).toEqual(["one"]);
});

it("nobody reads, writes or deletes for another", async () => {
  const { ann, ben, sent } = await correspondence("one");
  const name = `sender=${ann.id}&mtime=${sent[0].mtime}`;
  expect((await get(backstay, `/message/read?${name}&id=${ann.id}`, ben)).status).toBe(403);
  expect((await get(backstay, `/message/del?${name}&id=${ann.id}`, ben)).status).toBe(403);
  expect((await get(backstay, `/message/add?id=${ben.id}&msg=two&sender=${ben.id}`, ann)).status).toBe(403);
  expect((await get(backstay, `/message/add?id=${ben.id}&msg=two&sender=${ann.id}`, ann)).status).toBe(200);
  expect((await get(backstay, `/account/subscribe?id=${ann.id}`, ben)).status).toBe(403);
  expect((await get(backstay, `/message/read?${name}&id=${ben.id}`, ben)).json.status).toBe("R");
  expect((await get(backstay, `/message/del?${name}&id=${ben.id}`, ben)).json).toEqual({ count: 1 });
});

it("/message/get/unread answers what was not read, and marks it with _read=1", async () => {
  const { ann, ben, sent } = await correspondence("one", "two", "three");
  expect(
    (await get(backstay, `/message/read?${query({ sender: ann.id, mtime: String(sent[0].mtime) })}`, ben)).json,
  ).toMatchObject({
    msg: "one",
    status: "R",
  });
  expect(texts(await get(backstay, "/message/get/unread", ben))).toEqual(["two", "three"]);
  const marked = await get(backstay, "/message/get/unread?_read=1", ben);
  expect(marked.json.data.map(({ status }: { status: string }) => status)).toEqual(["R", "R"]);
  expect(texts(await get(backstay, "/message/get/unread", ben))).toEqual([]);
});

it("/message/read needs the sender and the time, and knows only one's own messages", async () => {
  const { ann, ben, sent } = await correspondence("one");
  const name = { sender: ann.id, mtime: String(sent[0].mtime) };
  expect((await get(backstay, `/message/read?sender=${ann.id}`, ben)).status).toBe(400);
  expect((await get(backstay, `/message/read?mtime=${name.mtime}`, ben)).status).toBe(400);
  expect((await get(backstay, `/message/read?${query(name)}`, ann)).status).toBe(404);
  expect((await get(backstay, `/message/read?${query(name)}`, ben)).status).toBe(200);
});

it("/message/del deletes by sender, by time, or by both, and neither is refused", async () => {
  const { ann, ben, sent } = await correspondence("one", "two", "three");
  const by = (parameters: Record<string, string>) => get(backstay, `/message/del?${query(parameters)}`, ben);
  expect((await by({})).status).toBe(400);
  expect((await by({ sender: ann.id, mtime: "" })).status).toBe(400);
  const others = [{ msg: "one" }, { status: "R" }, { mtime: "1", _ops: "mtime,gt" }, { _keys: "msg" }, { _count: "1" }];
  for (const other of others) expect((await by({ sender: ann.id, ...other })).status).toBe(400);
  expect((await by({ sender: ann.id, mtime: String(sent[0].mtime) })).json).toEqual({ count: 1 });
  expect((await by({ mtime: String(sent[1].mtime) })).json).toEqual({ count: 1 });
  expect(texts(await get(backstay, "/message/get", ben))).toEqual(["three"]);
  expect((await by({ sender: ann.id })).json).toEqual({ count: 1 });
  expect((await by({ sender: ann.id })).json).toEqual({ count: 0 });
});

describe("/account/subscribe", () => {
  const tell = (from: Signer, to: Signer, msg: string) => post(backstay, "/message/add", { id: to.id, msg }, from);

  it("waits, gathers what follows the first event, and answers one array", async () => {
    const { ann, ben } = await correspondence();
    const waiting = get(backstay, "/account/subscribe", ben);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await tell(ann, ben, "one");
    await tell(ann, ben, "two");
    const { status, json } = await waiting;
    expect(status).toBe(200);
    expect(json).toEqual([
      { path: "/message/add", mtime: expect.any(Number), type: "" },
      { path: "/message/add", mtime: expect.any(Number), type: "" },
    ]);
    expect(Object.keys(json[0])).toEqual(["path", "mtime", "type"]);
  });

  it("answers an empty array when nothing came, leaving out what the caller did itself", async () => {
    const { ann, ben } = await correspondence();
    const waiting = get(backstay, "/account/subscribe", ann);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await tell(ann, ben, "my own doing");
    expect((await waiting).json).toEqual([]);
  });

  it("tells only of what matches", async () => {
    const { ann, ben } = await correspondence();
    const matching = get(backstay, `/account/subscribe?${query({ match: "message/add.*type" })}`, ben);
    const other = get(backstay, `/account/subscribe?${query({ match: "connection/add.*type:*like" })}`, ben);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await tell(ann, ben, "one");
    expect((await matching).json).toHaveLength(1);
    expect((await other).json).toEqual([]);
  });

  it("refuses a pattern that is none, and who is not signed in", async () => {
    const { ben } = await correspondence();
    expect((await get(backstay, "/account/subscribe?match=(", ben)).status).toBe(400);
    expect((await get(backstay, "/account/subscribe")).status).toBe(401);
  });
});
