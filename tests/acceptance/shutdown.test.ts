import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { type Follower, follow } from "./follower.js";
import { countWaiting } from "./locks.js";
import { listAll, type Person, send, signUp } from "./people.js";
import { cleanUp, makeHome, type Server, startServer } from "./server-process.js";

/** The promise: whatever happens, a server that is told to stop is gone by then. */
const GONE_MS = 10_000;
// Without somewhere to send mails to, a server would say so, and here it is to say nothing.
const ENV = {
  BACKSTAY_LIMITS_RATE: "off",
  BACKSTAY_LOG_LEVEL: "warn",
  BACKSTAY_MAIL_SMTP_URL: "smtp://127.0.0.1:9",
};
const SEND = "/backstay.messages.v1.MessageService/SendMessage";

// Servers start in each of them, on whatever else the machine does.
vi.setConfig({ testTimeout: 90_000 });

let data: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  sql = postgres(data.url, { max: 3, onnotice: () => {} });
});
const left: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of left.splice(0)) await end();
});
afterAll(async () => {
  await cleanUp();
  await sql?.end({ timeout: 1 });
  await data?.drop();
});

let people = 0;
const makePerson = (url: string) => signUp(url, `person${people++}`);
const secret = { BACKSTAY_SECRET: "5e".repeat(32) };
const serve = async (env: Record<string, string> = {}) =>
  startServer(["serve", "--port", "0", "--home", await makeHome()], {
    env: { ...ENV, ...secret, DATABASE_URL: data.url, ...env },
  });
const patient = { BACKSTAY_DATABASE_LOCK_TIMEOUT: "60s", BACKSTAY_DATABASE_STATEMENT_TIMEOUT: "60s" };

/** Keeps every new message waiting in the database until it is told to let go. */
async function holdMessages(): Promise<() => Promise<void>> {
  let letGo = () => {};
  let holds = () => {};
  const held = new Promise<void>((resolve) => {
    holds = resolve;
  });
  const done = sql.begin(async (tx) => {
    await tx`lock table backstay.messages in exclusive mode`;
    holds();
    await new Promise<void>((resolve) => {
      letGo = resolve;
    });
  });
  await held;
  const end = async () => {
    letGo();
    await done;
  };
  left.push(end);
  return end;
}

const inFlight = (count: number) => expect.poll(() => countWaiting(sql), { timeout: 10_000, interval: 10 }).toBe(count);

const headers = (person: Person) => ({
  "content-type": "application/json",
  authorization: `Bearer ${person.token}`,
});

/** A call over HTTP/1.1 on a connection that is kept for more. */
function callHttp1(agent: http.Agent, url: string, person: Person, body: object) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = http.request(`${url}${SEND}`, { agent, method: "POST", headers: headers(person) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.once("end", () => resolve({ status: response.statusCode!, text })).once("error", reject);
    });
    request.once("error", reject).end(JSON.stringify(body));
  });
}

/** A session of HTTP/2 that remembers how it was told to go. */
function openHttp2(url: string) {
  const session = http2.connect(url);
  session.on("error", () => {});
  left.push(() => session.destroy());
  const goaway = new Promise<number>((resolve) => session.once("goaway", resolve));
  const call = (person: Person, body: object) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const stream = session.request({ ":method": "POST", ":path": SEND, ...headers(person) });
      let status = 0;
      let text = "";
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      stream.once("response", (head) => {
        status = Number(head[":status"]);
      });
      stream
        .once("error", reject)
        .once("close", () => (status ? resolve({ status, text }) : reject(new Error("reset"))));
      stream.end(JSON.stringify(body));
    });
  return { session, goaway, call };
}

/** Resolves when nobody listens any more. */
const refusesNew = (url: string) =>
  expect.poll(() => connectOnce(url), { timeout: 5_000, interval: 10 }).toBe("ECONNREFUSED");

function connectOnce(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname);
    socket
      .once("connect", () => resolve("connected"))
      .once("error", (error: NodeJS.ErrnoException) => resolve(error.code!));
    socket.once("connect", () => socket.destroy());
  });
}

/** Resolves with what the server said before it closed a connection on which nothing, or half a request, was sent. */
function halfRequest(url: string, beginning: string) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  left.push(() => socket.destroy());
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  const connected = new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  if (beginning !== "") socket.write(beginning);
  return { closed, connected, write: (more: string) => socket.write(more) };
}

describe("a server that is told to stop", () => {
  it("finishes the calls in flight, says goodbye to streams, takes nobody new, and ends with the code 0", async () => {
    const server = await serve(patient);
    const [ada, ben] = [await makePerson(server.url), await makePerson(server.url)];
    const streams = [follow(server.url, ben.token), follow(server.url, ada.token)];
    await Promise.all(streams.map(({ ready }) => ready));
    const idle = halfRequest(server.url, "");
    await idle.connected;
    const idleSession = openHttp2(server.url);
    await new Promise((resolve) => idleSession.session.once("connect", resolve));

    const letGo = await holdMessages();
    const agent = new http.Agent({ keepAlive: true });
    left.push(() => agent.destroy());
    const calls = [callHttp1(agent, server.url, ada, { recipientId: ben.id, text: "over HTTP/1.1" })];
    const { session, goaway, call } = openHttp2(server.url);
    calls.push(call(ada, { recipientId: ben.id, text: "over HTTP/2" }));
    await inFlight(2);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    const asking = halfRequest(server.url, "GET /readyz HTTP/1.1\r\nhost: here\r\n");
    const trickle = setInterval(() => asking.write("x-more: to come\r\n"), 10);
    left.push(() => clearInterval(trickle));

    const told = performance.now();
    server.signal("SIGTERM");
    expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(["goodbye", "goodbye"]);
    // Who asks now is told to go elsewhere, or nothing at all; never that all is well.
    clearInterval(trickle);
    asking.write("\r\n");
    expect(await asking.closed).toMatch(/^(HTTP\/1\.1 503 |$)/);
    expect(await goaway).toBe(http2.constants.NGHTTP2_NO_ERROR);
    await idleSession.goaway;
    await refusesNew(server.url);
    expect(session.closed).toBe(true);
    expect(await idle.closed).toBe("");
    expect(server.isRunning()).toBe(true);

    await letGo();
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - told).toBeLessThan(GONE_MS);
    expect(server.stderr()).toBe("");
    const rows = await sql`select text from backstay.messages where recipient_id = ${ben.id} order by text`;
    expect(rows.map(({ text }) => text)).toEqual(["over HTTP/1.1", "over HTTP/2"]);
    for (const { text } of answers) expect(JSON.parse(text)).toHaveProperty("message.id");
  });

  it("is gone in time although a call hangs", async () => {
    const server = await serve(patient);
    const [ada, ben] = [await makePerson(server.url), await makePerson(server.url)];
    await holdMessages();
    const hanging = send(server.url, ada, ben, { text: "never", key: "never" }).catch(() => "cut");
    await inFlight(1);
    const told = performance.now();
    server.signal("SIGTERM");
    const { signal } = await server.exit;
    expect(signal).toBeNull();
    expect(performance.now() - told).toBeLessThan(GONE_MS);
    expect(await hanging).toBe("cut");
  });

  it("goes at once when it is told twice", async () => {
    const server = await serve(patient);
    const [ada, ben] = [await makePerson(server.url), await makePerson(server.url)];
    await holdMessages();
    const hanging = send(server.url, ada, ben, { text: "never", key: "never" }).catch(() => "cut");
    await inFlight(1);
    server.signal("SIGINT");
    await refusesNew(server.url);
    const told = performance.now();
    server.signal("SIGINT");
    expect(await server.exit).toEqual({ code: 1, signal: null });
    expect(performance.now() - told).toBeLessThan(1_000);
    expect(await hanging).toBe("cut");
  });
});

describe("a server that is told to stop under load", () => {
  it("answers every call that it does: what is in the database is what callers were told, over HTTP/1.1 and HTTP/2", async () => {
    const home = await makeHome();
    const server = await startServer(["serve", "--port", "0", "--home", home], { env: ENV });
    const ben = await makePerson(server.url);
    const senders = await Promise.all([0, 1, 2, 3].map(() => makePerson(server.url)));
    const stream = follow(server.url, ben.token);
    await stream.ready;

    const acknowledged: string[] = [];
    const refusals = new Set<number>();
    let told = Number.POSITIVE_INFINITY;
    const sendOn = async (
      call: (person: Person, body: object) => Promise<{ status: number; text: string }>,
      n: number,
    ) => {
      for (;;) {
        const answer = await call(senders[n % 4]!, { recipientId: ben.id, text: `by ${n}` }).catch(() => undefined);
        if (answer === undefined) return;
        if (answer.status !== 200) {
          refusals.add(answer.status);
          return;
        }
        acknowledged.push((JSON.parse(answer.text) as { message: { id: string } }).message.id);
        if (acknowledged.length === 400) {
          told = performance.now();
          server.signal("SIGTERM");
        }
      }
    };
    const agent = new http.Agent({ keepAlive: true });
    left.push(() => agent.destroy());
    const sessions = [openHttp2(server.url), openHttp2(server.url)];
    const all = Array.from({ length: 16 }, (_, n) =>
      n % 2 === 0
        ? sendOn((person, body) => callHttp1(agent, server.url, person, body), n)
        : sendOn(sessions[n % 4 === 1 ? 0 : 1]!.call, n),
    );
    await Promise.all(all);
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - told).toBeLessThan(GONE_MS);
    expect([...refusals].filter((status) => status !== 503)).toEqual([]);
    expect(await Promise.all(sessions.map(({ goaway }) => goaway))).toEqual([0, 0]);
    expect(await stream.ended).toBe("goodbye");

    const again = await startServer(["serve", "--port", "0", "--home", home], { env: ENV });
    const listed = await listAll(again.url, ben);
    expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(acknowledged));
    expect(listed).toHaveLength(acknowledged.length);
    const rest = follow(again.url, ben.token, stream.cursor);
    await rest.reaches(listed.length - stream.events.length);
    expect([...stream.events, ...rest.events].map(({ messageId }) => messageId)).toEqual(listed.map(({ id }) => id));
    await rest.stop();
    again.signal("SIGTERM");
    expect(await again.exit).toEqual({ code: 0, signal: null });
  });

  it("costs no call and no event, where another server runs and a client tries it once", async () => {
    const servers: Server[] = await Promise.all([serve(), serve()]);
    const ben = await makePerson(servers[0]!.url);
    const senders = await Promise.all([0, 1, 2, 3].map(() => makePerson(servers[0]!.url)));
    let rolling = true;
    let retried = 0;
    const acknowledged: string[] = [];
    const sendOn = async (n: number) => {
      for (let i = 0; rolling; i++) {
        const message = { text: `${n}/${i}`, key: `roll-${n}-${i}` };
        const attempt = async (at: number) => {
          const { status, id } = await send(servers[at % 2]!.url, senders[n]!, ben, message);
          if (status !== 200) throw new Error(`answered ${status}`);
          return id;
        };
        const again = () => {
          retried++;
          return attempt(n + i + 1);
        };
        acknowledged.push(await attempt(n + i).catch(again));
      }
    };
    const seen: Follower["events"] = [];
    const followOn = async () => {
      let cursor = "";
      for (let at = 0; rolling; at++) {
        const stream = follow(servers[at % 2]!.url, ben.token, cursor);
        const ready = await stream.ready.then(
          () => true,
          () => false,
        );
        if (!ready) continue;
        if (cursor === "") started();
        const over = await Promise.race([stream.ended, rolled.then(() => "rolled")]);
        if (over !== "rolled") expect(over).toBe("goodbye");
        else await stream.reaches(acknowledged.length - seen.length);
        await stream.stop();
        seen.push(...stream.events);
        cursor = stream.cursor;
      }
    };
    let started = () => {};
    const following = new Promise<void>((resolve) => {
      started = resolve;
    });
    let finish = () => {};
    const rolled = new Promise<void>((resolve) => {
      finish = resolve;
    });

    const follower = followOn();
    await following;
    const load = Promise.all([0, 1, 2, 3].map(sendOn));
    for (const at of [0, 1]) {
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length, { timeout: 10_000, interval: 5 }).toBeGreaterThan(before + 50);
      const told = performance.now();
      servers[at]!.signal("SIGTERM");
      expect(await servers[at]!.exit).toEqual({ code: 0, signal: null });
      expect(performance.now() - told).toBeLessThan(GONE_MS);
      if (at === 0) servers[at] = await serve();
    }
    // The one that was started meanwhile serves alone.
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length, { timeout: 10_000, interval: 5 }).toBeGreaterThan(before + 50);
    rolling = false;
    await load;
    finish();
    await follower;

    const listed = (await listAll(servers[0]!.url, ben)).map(({ id }) => id);
    expect(new Set(listed)).toEqual(new Set(acknowledged));
    expect(listed).toHaveLength(acknowledged.length);
    expect(seen.map(({ messageId }) => messageId)).toEqual(listed);
    expect(retried).toBeGreaterThan(0);
  });
});
