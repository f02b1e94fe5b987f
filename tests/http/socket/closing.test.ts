import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase, refused, testClock, upTo } from "../../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { sign } from "../../support/sign.js";
import { type Frame, openSocket } from "./client.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "off" });
  ada = await backstay.signUp();
});
afterAll(() => backstay?.stop());

const socketOf = (person: { token: string }, server = backstay) =>
  openSocket(server.url, { headers: { authorization: `Bearer ${person.token}` } });

describe("a socket is closed for", () => {
  it("a binary frame", async () => {
    const socket = await socketOf(ada);
    socket.ws.send(Buffer.from("/v1/ping"));
    expect(await socket.closed()).toMatchObject({ code: 1003 });
  });

  it("a frame of more than 64 KiB, and for none that is smaller", async () => {
    const socket = await socketOf(ada);
    const padded = (bytes: number) =>
      JSON.stringify({ op: "x", pad: "x".repeat(bytes - '{"op":"x","pad":""}'.length) });
    expect(await socket.ask(padded(65_536))).toMatchObject({ op: "x", status: 501 });
    socket.send(padded(65_537));
    expect(await socket.closed()).toMatchObject({ code: 1009 });
  });

  it("text that is no UTF-8", async () => {
    const socket = await socketOf(ada);
    socket.ws.send(Buffer.from([0xc3, 0x28]), { binary: false });
    expect(await socket.closed()).toMatchObject({ code: 1007 });
  });

  it("a frame in more than 64 pieces, which nobody else would count, and for none in fewer", async () => {
    const socket = await openSocket(backstay.url);
    const frame = JSON.stringify({ op: "unsubscribe", id: "x".repeat(36) });
    for (const [n, letter] of [...frame].entries()) socket.ws.send(letter, { fin: n === frame.length - 1 });
    expect(frame).toHaveLength(64);
    expect(await socket.next()).toMatchObject({ op: "unsubscribe", status: 200 });
    for (const _ of upTo(5_000)) socket.ws.send("x", { fin: false });
    expect(await socket.closed()).toMatchObject({ code: 1008 });
  });

  it("more than fifty frames a second, pings among them", async () => {
    const socket = await socketOf(ada);
    for (const _ of upTo(50)) socket.send({ op: "unsubscribe" });
    for (const _ of upTo(50)) expect(await socket.next()).toMatchObject({ op: "unsubscribe", status: 200 });
    const flood = await socketOf(ada);
    for (const _ of upTo(51)) flood.send("/v1/ping");
    expect(await flood.closed()).toEqual({ code: 1008, reason: "TOO_MANY_FRAMES" });
    const pings = await socketOf(ada);
    for (const _ of upTo(51)) pings.ws.ping();
    expect(await pings.closed()).toMatchObject({ code: 1008 });
  });

  it("not answering a ping, but for nothing else", async () => {
    const pinging = await startBackstay({}, { overrides: { socketPingMs: 200 } });
    try {
      const alive = await openSocket(pinging.url);
      const dead = await openSocket(pinging.url, { autoPong: false });
      await once(alive.ws, "ping");
      expect(await dead.closed()).toMatchObject({ code: 1006 });
      await once(alive.ws, "ping");
      expect(await alive.ask("/v1/ping")).toMatchObject({ status: 200 });
    } finally {
      await pinging.stop();
    }
  });
});

describe("a reader who is too slow", () => {
  const big = { text: "x".repeat(60_000) };

  /** Whether the server has ended a subscription of a socket. */
  const isCut = () =>
    /EventService\/Subscribe","door":"socket","code":"(resource_exhausted|canceled)"/.test(backstay.log());

  it("is closed with the cursor that resumes, and then misses nothing", async () => {
    const socket = await socketOf(ada);
    await socket.ask({ op: "subscribe", types: ["load.*"] });
    expect(await socket.next()).toMatchObject({ ready: {} });
    socket.ws.pause();
    let published = 0;
    // The kernel's buffers, on both sides, take some of it.
    for (; published < 2_000 && !isCut(); published++) {
      await ada.client.events.publish({ type: "load.line", data: { n: published, ...big } });
    }
    socket.ws.resume();
    const { code, reason } = await socket.closed(10_000);
    expect(code).toBe(1013);
    const seen: number[] = [];
    const take = ({ event }: Frame) => event !== undefined && seen.push(event.data.n);
    const last = () => socket.next().catch(() => undefined);
    for (let frame = await last(); frame !== undefined; frame = await last()) take(frame);
    const again = await socketOf(ada);
    again.send({ op: "subscribe", types: ["load.*"], afterCursor: reason });
    while (seen.length < published) take(await again.next(10_000));
    expect(seen).toEqual(upTo(published).map((n) => n - 1));
  }, 60_000);

  it("makes nobody else wait", async () => {
    const slow = await socketOf(ada);
    await slow.ask({ op: "subscribe", types: ["other.*"] });
    slow.ws.pause();
    const quick = await socketOf(ada);
    quick.send({ op: "subscribe", types: ["other.*"] });
    await quick.find({ op: "event" });
    for (const n of upTo(100)) {
      await ada.client.events.publish({ type: "other.line", data: { n, ...big } });
      const { event } = await quick.find({ op: "event" });
      expect(event.data.n).toBe(n);
    }
  }, 60_000);

  it("is not sent the next answer before it has room for it, and is not closed for asking", async () => {
    const socket = await socketOf(ada);
    socket.ws.pause();
    for (const _ of upTo(40)) socket.send("/openapi.json");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    socket.ws.resume();
    for (const _ of upTo(40)) expect(await socket.next(10_000)).toMatchObject({ op: "/openapi.json", status: 200 });
  }, 30_000);
});

describe("when its sign-in is over", () => {
  it("a socket is closed within a second, by whatever it was opened, and others are not", async () => {
    const ben = await backstay.signUp();
    const other = backstay.anonymous();
    const { tokens } = await other.auth.signIn({ login: ben.login, secret: ben.secret });
    const [his, others, hers, nobody] = await Promise.all([
      socketOf(ben),
      socketOf({ token: tokens!.accessToken }),
      socketOf(ada),
      openSocket(backstay.url),
    ]);
    await nobody.ask({ op: "auth", token: ben.token });
    await ben.client.auth.signOut();
    expect(await his.closed(1_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
    expect(await nobody.closed(1_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
    expect(await others.ask("/v1/auth/current")).toMatchObject({ status: 200 });
    expect(await hers.ask("/v1/auth/current")).toMatchObject({ status: 200 });
    await other.auth.signOut();
    expect(await others.closed(1_000)).toMatchObject({ code: 4401 });
  });

  it("a socket is closed when its token's time is up, unless a newer one came", async () => {
    const clock = testClock();
    const timed = await startBackstay({ "auth.access_ttl": "15m" }, { overrides: { clock } });
    try {
      const ben = await timed.signUp();
      const socket = await socketOf(ben, timed);
      const prolonged = await socketOf(ben, timed);
      clock.advance(10 * 60_000);
      const { tokens } = await timed.anonymous().auth.signIn({ login: ben.login, secret: ben.secret });
      const answer = await prolonged.ask({ op: "auth", token: tokens!.accessToken });
      expect(answer).toMatchObject({ status: 200, accountId: ben.id });
      clock.advance(6 * 60_000);
      expect(await socket.closed()).toEqual({ code: 4401, reason: "TOKEN_EXPIRED" });
      // The old sign-in is none of its business any more.
      expect(await prolonged.ask("/v1/auth/current")).toMatchObject({ status: 200 });
      clock.advance(10 * 60_000);
      expect(await prolonged.closed()).toEqual({ code: 4401, reason: "TOKEN_EXPIRED" });
    } finally {
      await timed.stop();
    }
  });

  it("a socket that a signature opened is closed when a stream would be, unless a token came", async () => {
    const clock = testClock();
    const timed = await startBackstay(
      { "auth.signatures": "all", "events.stream_ttl": "5m" },
      { overrides: { clock } },
    );
    try {
      const ben = await timed.signUp();
      const signed = () => {
        const expires = clock.now().getTime() + 60_000;
        const signature = sign({ ...ben, url: `${timed.url}/ws?n=${n++}`, expires });
        return openSocket(timed.url, { path: `/ws?n=${n - 1}&bk-signature=${encodeURIComponent(signature)}` });
      };
      let n = 0;
      const [socket, prolonged] = [await signed(), await signed()];
      expect(await prolonged.ask({ op: "auth", token: ben.token })).toMatchObject({ status: 200 });
      clock.advance(4 * 60_000);
      expect(await socket.ask("/v1/auth/current")).toMatchObject({ status: 200 });
      clock.advance(60_000);
      expect(await socket.closed()).toEqual({ code: 4401, reason: "SIGNATURE_EXPIRED" });
      expect(await prolonged.ask("/v1/auth/current")).toMatchObject({ status: 200 });
    } finally {
      await timed.stop();
    }
  });

  it("a socket is closed within a heartbeat although nobody told of it, and others are not", async () => {
    const checked = await startBackstay({ "events.heartbeat": "300ms", "auth.signatures": "all" });
    try {
      const [ben, cleo] = [await checked.signUp(), await checked.signUp()];
      const sql = openDatabase(checked);
      const signature = sign({ ...ben, url: `${checked.url}/ws` });
      const [his, hers, nobody, signed] = await Promise.all([
        socketOf(ben, checked),
        socketOf(cleo, checked),
        openSocket(checked.url),
        openSocket(checked.url, { headers: { "bk-signature": signature } }),
      ]);
      await sql`delete from backstay.grants where account_id = ${ben.id}`;
      expect(await his.closed(3_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
      for (const socket of [hers, nobody, signed]) expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
      await sql`delete from backstay.accounts where id = ${ben.id}`;
      expect(await signed.closed(3_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
      for (const socket of [hers, nobody]) expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
    } finally {
      await checked.stop();
    }
  });

  it("a socket is closed when its account is deleted", async () => {
    const ben = await backstay.signUp();
    const socket = await socketOf(ben);
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await socket.closed(1_000)).toMatchObject({ code: 4401 });
    expect(await refused(ben.client.auth.getCurrent({}))).toMatchObject({ code: "unauthenticated" });
  });
});

describe("when the server stops", () => {
  it("sockets are told at once to come again, and one that is dead does not keep it", async () => {
    const stopping = await startBackstay();
    const ben = await stopping.signUp();
    const [one, two, dead] = await Promise.all([
      socketOf(ben, stopping),
      openSocket(stopping.url),
      openSocket(stopping.url),
    ]);
    await one.ask({ op: "subscribe" });
    two.send("/v1/events:poll?wait=60s");
    // It reads nothing any more, so it will not say goodbye.
    dead.ws.pause();
    const stopped = stopping.stop();
    expect(await one.closed(1_000)).toMatchObject({ code: 1001 });
    expect(await two.closed(1_000)).toMatchObject({ code: 1001 });
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("the server did not stop")), 5_000));
    await Promise.race([stopped, late]);
  });
});
