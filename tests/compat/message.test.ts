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
