import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeKey } from "../domains/auth/api-key-house.js";
import { bearer, openDatabase } from "../domains/support.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Signer } from "./predecessor.js";

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

const own = async (signer: Signer) => (await get(backstay, "/counter/get", signer)).json;

const ZEROS = {
  ...{ ping: 0, like0: 0, like1: 0, dislike0: 0, dislike1: 0, follow0: 0, follow1: 0, invite0: 0, invite1: 0 },
  ...{ view0: 0, view1: 0, msg_count: 0, msg_read: 0 },
};

/** Messages that Ben has received and not read. */
async function write(count: number) {
  for (let i = 0; i < count; i++) await post(backstay, "/message/add", { id: ben.id, msg: `message ${i}` }, ann);
}

const unread = async () =>
  (await get(backstay, "/message/get/unread", ben)).json.data.map(({ msg }: { msg: string }) => msg);

describe("/counter/get", () => {
  it("returns the counter record for the current account with all available columns", async () => {
    const { status, json } = await get(backstay, "/counter/get", ann);
    expect({ status, json }).toEqual({ status: 200, json: { id: ann.id, ...ZEROS } });
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    await get(backstay, `/message/add?id=${ben.id}&msg=Hi`, ann);
    expect(await own(ann)).toEqual({ id: ann.id, ...ZEROS, like0: 1 });
    expect(await own(ben)).toEqual({ id: ben.id, ...ZEROS, like1: 1, msg_count: 1 });
    expect((await post(backstay, "/counter/get", { id: ben.id }, ben)).json).toEqual(await own(ben));
    expect((await get(backstay, "/counter/get?_select=msg_count,msg_read", ben)).json).toEqual({
      msg_count: 1,
      msg_read: 0,
    });
  });

  it("returns public columns for the given account", async () => {
    expect((await get(backstay, `/counter/get?id=${ben.id}`, ann)).json).toEqual({ id: ben.id, ping: 0 });
    expect((await get(backstay, "/counter/get?id=12345", ann)).json).toMatchObject({ status: 404 });
    expect((await get(backstay, `/counter/get?id=${"x".repeat(65)}`, ann)).json.message).toMatch(/^id: /);
    expect((await get(backstay, "/counter/get")).json).toMatchObject({ status: 401 });
  });
});

it("/counter/get shows the columns of _select, of others the public ones alone: another is refused by its name", async () => {
  const select = async (text: string) => (await get(backstay, `/counter/get?${text}`, ann)).json;
  expect(await select(`id=${ben.id}&_select=id,ping`)).toEqual({ id: ben.id, ping: 0 });
  for (const column of ["like0", "nice1", "msg_count", "nope"]) {
    const message = `The column ${column} of others may not be read, filtered or sorted by.`;
    expect(await select(`id=${ben.id}&_select=ping,${column}`)).toEqual({ status: 403, message });
  }
  expect(await select("_select=nope,ping")).toEqual({ status: 400, message: "There is no column nope here." });
  // There is one for every type of connections, which is not shown while it is 0.
  expect(await select(`id=${ann.id}&_select=ping,nice1`)).toEqual({ ping: 0 });
});

describe("/counter/incr", () => {
  it("increases a public column for the other account, as the manual shows it", async () => {
    const { status, json } = await get(backstay, `/counter/incr?id=${ben.id}&ping=1`, ann);
    expect({ status, json }).toEqual({ status: 200, json: { id: ben.id, ping: 1 } });
    expect((await post(backstay, "/counter/incr", { id: ben.id, ping: 3 }, ann)).json).toEqual({ id: ben.id, ping: 4 });
    expect(await own(ben)).toMatchObject({ ping: 4 });
    expect(await own(ann)).toMatchObject({ ping: 0 });
  });

  it("adds to one's own, and negative values are subtracted", async () => {
    expect((await get(backstay, "/counter/incr?ping=5", ann)).json).toEqual({ id: ann.id, ping: 5 });
    expect((await get(backstay, "/counter/incr?ping=-7&_select=x", ann)).json).toEqual({ id: ann.id, ping: -2 });
    const form = new URLSearchParams({ ping: "1", id: ann.id });
    expect((await post(backstay, "/counter/incr", form, ann)).json).toEqual({ id: ann.id, ping: -1 });
  });

  it("with msg_read marks as many of the oldest unread messages read, as the manual's 5", async () => {
    await write(7);
    const { status, json } = await get(backstay, "/counter/incr?msg_read=5&", ben);
    expect({ status, json }).toEqual({ status: 200, json: { id: ben.id, msg_read: 5 } });
    expect(await own(ben)).toMatchObject({ msg_count: 7, msg_read: 5 });
    expect(await unread()).toEqual(["message 5", "message 6"]);
    // There are no more than these: the counter follows its rows.
    expect((await get(backstay, "/counter/incr?msg_read=5&", ben)).json).toEqual({ id: ben.id, msg_read: 7 });
    expect((await get(backstay, "/counter/incr?msg_read=1", ben)).json).toEqual({ id: ben.id, msg_read: 7 });
  });

  it("marks more messages read than one page has", async () => {
    await openDatabase(backstay)`insert into backstay.messages (id, sender_id, recipient_id, text, mtime, created_at)
      select gen_random_uuid(), ${ann.id}, ${ben.id}, 'm' || n, n, now() from generate_series(1, 1100) n`;
    expect((await get(backstay, "/counter/incr?msg_read=1050", ben)).json).toMatchObject({ msg_read: 1050 });
    expect(await unread()).toHaveLength(50);
  });

  it("with msg_read takes no other column, and no wish to be done once: it is done in several steps", async () => {
    await write(2);
    for (const more of ["ping=2", "ping=0", "nosuch=1", "like0=1", "ping=many"]) {
      for (const text of [`msg_read=1&${more}`, `${more}&msg_read=1&id=${ben.id}`]) {
        const { json } = await get(backstay, `/counter/incr?${text}`, ben);
        expect(json).toEqual({ status: 400, message: expect.stringMatching(/msg_read stands alone/) });
      }
    }
    const once = await get(backstay, "/counter/incr?msg_read=1", ben, { "idempotency-key": "once" });
    expect(once.json).toEqual({ status: 400, message: expect.stringMatching(/idempotency-key.*several steps/) });
    for (const refused of ["0", "-1", "10001", "x", "1.5"]) {
      const { json } = await get(backstay, `/counter/incr?msg_read=${refused}`, ben);
      expect(json).toEqual({ status: 400, message: expect.stringContaining("msg_read") });
    }
    expect(await own(ben)).toMatchObject({ ping: 0, msg_read: 0 });
    expect(await unread()).toHaveLength(2);
  });

  it("adds once by an idempotency-key", async () => {
    const once = { "idempotency-key": "once" };
    expect((await get(backstay, "/counter/incr?ping=2", ben, once)).json).toEqual({ id: ben.id, ping: 2 });
    expect((await get(backstay, "/counter/incr?ping=2", ben, once)).json).toEqual({ id: ben.id, ping: 2 });
  });

  it("is told the whole numbers that there are", async () => {
    const messageOf = async (path: string) => (await get(backstay, path, ann)).json.message;
    for (const value of ["99999999999999999999", "1.5", "many"]) {
      expect(await messageOf(`/counter/incr?ping=${value}`)).toBe(
        "The parameter ping must be a whole number from -9007199254740991 to 9007199254740991.",
      );
    }
    expect(await messageOf("/message/get?_count=-1")).toBe(
      "The parameter _count must be a whole number from 0 to 999999999999999.",
    );
  });

  it("names the column that is out of bounds, and no other", async () => {
    const messageOf = async (text: string) => (await get(backstay, `/counter/incr?${text}`, ann)).json.message;
    expect(await messageOf("ping=9007199254740992")).toMatch(/^ping: must be /);
    expect(await messageOf(`${"x".repeat(65)}=1&ping=1`)).toMatch(/^x{64}…: must have at most 64 characters/);
    expect(await messageOf(`${Array.from({ length: 65 }, (_, i) => `c${i}=1`).join("&")}`)).toMatch(/^counter: /);
  });

  it("refuses derived, unknown and private columns, and what is no number", async () => {
    const statusOf = async (text: string) => (await get(backstay, `/counter/incr?${text}`, ann)).status;
    for (const text of ["like0=1", "msg_count=1", `id=${ben.id}&msg_read=1`, `id=${ben.id}&like1=1`]) {
      const { json } = await get(backstay, `/counter/incr?${text}`, ann);
      expect(json).toEqual({ status: 400, message: expect.any(String) });
    }
    expect(await statusOf("nosuch=1")).toBe(400);
    expect(await statusOf("ping=1.5")).toBe(400);
    expect(await statusOf("ping=9007199254740992")).toBe(400);
    expect(await statusOf("ping=99999999999999999999999")).toBe(400);
    expect(await statusOf("__proto__=1")).toBe(400);
    expect((await get(backstay, "/counter/incr", ann)).json.message).toContain("ping");
    // A variable that happens to be empty must not raise one's own.
    expect(await statusOf("id=&ping=1")).toBe(400);
    expect(await statusOf("id=&msg_read=1")).toBe(400);
    expect(await statusOf("id=12345&ping=1")).toBe(404);
    expect(await own(ann)).toEqual({ id: ann.id, ...ZEROS });
  });

  it("needs the right to every RPC that it calls", async () => {
    const reader = await backstay.signUp();
    const using = async (...scopes: string[]) => bearer((await makeKey(backstay, reader.token, { scopes })).key);
    const counters = await using("counters:write", "counters:read");
    expect((await get(backstay, "/counter/incr?ping=1", undefined, counters)).json).toMatchObject({ ping: 1 });
    expect((await get(backstay, "/counter/incr?msg_read=1", undefined, counters)).status).toBe(403);
    expect((await get(backstay, "/counter/get", undefined, counters)).json).toMatchObject({ ping: 1 });
    const both = await using("counters:write", "counters:read", "messages:write");
    expect((await get(backstay, "/counter/incr?msg_read=1", undefined, both)).json).toMatchObject({ msg_read: 0 });
  });

  it("does so by rules of the installation too", async () => {
    const strict = await startBackstay({ "access.deny": "MessageService/ListUnread" });
    try {
      const cid = await addAccount(strict);
      expect((await get(strict, "/counter/incr?msg_read=1", cid)).status).toBe(403);
      expect((await get(strict, "/counter/incr?ping=1", cid)).json).toMatchObject({ ping: 1 });
    } finally {
      await strict.stop();
    }
    const quiet = await startBackstay({ "access.disable": "messages" });
    try {
      const cid = await addAccount(quiet);
      expect((await get(quiet, "/counter/incr?msg_read=1", cid)).status).toBe(404);
      expect((await get(quiet, "/counter/incr?ping=1", cid)).json).toMatchObject({ ping: 1 });
    } finally {
      await quiet.stop();
    }
  });

  it("tells the other account", async () => {
    const waiting = get(backstay, "/account/subscribe", ben);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await get(backstay, `/counter/incr?id=${ben.id}&ping=1`, ann);
    expect((await waiting).json).toEqual([{ path: "/counter/incr", mtime: expect.any(Number), type: "ping" }]);
  });
});

describe("/counter/put", () => {
  it("replaces my counters record: those that are not specified become 0", async () => {
    await get(backstay, `/connection/add?id=${ben.id}&type=like`, ann);
    const { status, json } = await get(backstay, "/counter/put?ping=10&_session=0", ann);
    expect({ status, json }).toEqual({ status: 200, json: { id: ann.id, ...ZEROS, like0: 1, ping: 10 } });
    expect((await post(backstay, "/counter/put", { id: ann.id, ping: -3 }, ann)).json).toMatchObject({ ping: -3 });
    expect((await get(backstay, "/counter/put", ann)).json).toEqual({ id: ann.id, ...ZEROS, like0: 1 });
  });

  it("refuses derived and unknown columns, and somebody else's record", async () => {
    await get(backstay, "/counter/put?ping=10", ann);
    for (const text of ["like0=1", "msg_read=1", "nosuch=1", "ping=many", "ping=1&msg_count=0"]) {
      expect((await get(backstay, `/counter/put?${text}`, ann)).json).toMatchObject({ status: 400 });
    }
    for (const path of [
      "/counter/put?__proto__=1",
      "/counter/put?ping=1&__proto__=1",
      "/counter/incr?ping=1&__proto__=1",
    ]) {
      expect((await get(backstay, path, ann)).json).toMatchObject({ status: 400 });
    }
    expect((await post(backstay, "/counter/put", JSON.parse('{"__proto__":1}'), ann)).json).toMatchObject({
      status: 400,
    });
    expect((await get(backstay, `/counter/put?id=${ben.id}&ping=1`, ann)).json).toMatchObject({ status: 403 });
    expect((await get(backstay, "/counter/put?ping=1")).status).toBe(401);
    expect(await own(ann)).toMatchObject({ ping: 10 });
  });
});
