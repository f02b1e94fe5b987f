import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { WebSocket } from "ws";
import { isAlive } from "../../server/platform/process.js";
import { call } from "../support/backstay.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { makeAppFolder } from "./app-folder.js";
import { type Follower, follow } from "./follower.js";
import { countWaiting } from "./locks.js";
import { listAll, type Person, send, signUp } from "./people.js";
import { type Backstay, cleanUp, makeHome, run, type Server, startServer } from "./server-process.js";

// Several processes that serve one port: real ones, killed as the system kills them.

const ENV = { BACKSTAY_LIMITS_RATE: "off", BACKSTAY_SECRET: "5e".repeat(32) };
const GONE_MS = 10_000;

// Several processes start in each of them, on whatever else the machine does.
vi.setConfig({ testTimeout: 110_000, hookTimeout: 110_000 });

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
const left: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of left.splice(0).reverse()) await end();
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

interface Line {
  worker: number;
  msg: string;
  of?: number;
  pid?: number;
}

const serve = async (words: string[] = []): Promise<Server> =>
  startServer(["serve", "--workers", "2", "--port", "0", "--home", await makeHome(), ...words], {
    env: { ...ENV, DATABASE_URL: data.url },
  });

/** What was logged so far; the last line may not be whole yet. */
const logOf = (server: Backstay) =>
  server
    .stderr()
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

/** The process that serves as this worker now. */
const pidOf = async (server: Backstay, worker: number): Promise<number> => {
  // Lines below a warning are written twice a second.
  await vi.waitUntil(() => starts(server, worker) > 0, { timeout: 10_000 });
  return logOf(server).findLast(({ msg, of }) => msg === "a worker is ready" && of === worker)!.pid!;
};
const pidsOf = (server: Backstay) => Promise.all([1, 2].map((worker) => pidOf(server, worker)));

const starts = (server: Backstay, worker: number) =>
  logOf(server).filter(({ msg, of }) => msg === "a worker is ready" && of === worker).length;

let people = 0;
const makePerson = (server: Server) => signUp(server.url, `worker-person-${people++}`);

/** Sends by a connection of its own, so that the workers take turns. */
function sendApart(server: Server, from: Person, to: Person, text: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${from.token}` };
    const url = `${server.url}/backstay.messages.v1.MessageService/SendMessage`;
    const request = http.request(url, { agent: false, method: "POST", headers }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode!));
    });
    request.once("error", reject).end(JSON.stringify({ recipientId: to.id, text }));
  });
}

const stopped = async (streams: Follower[]) => {
  for (const stream of streams) await stream.stop();
};

const WITNESS = `import { backend } from "backstay";
const app = backend();
app.topic("room/{id}", { subscribe: true, publish: true });
app.ws("/witness/ws", () => ({ pid: process.pid }));
await app.start();
process.on("SIGUSR2", () => app.stop());
console.log("app of " + process.pid);
`;

/** A socket, and the process that it is at. */
async function openSocket(server: Server, person: Person) {
  const url = `${server.url.replace("http", "ws")}/witness/ws`;
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${person.token}` } });
  left.push(() => socket.terminate());
  const frames: Record<string, unknown>[] = [];
  socket.on("message", (text) => frames.push(JSON.parse(String(text))));
  await once(socket, "open");
  const frame = async (op: string) => {
    await expect.poll(() => frames.some((one) => one.op === op), { timeout: 5_000 }).toBe(true);
    return frames.find((one) => one.op === op)!;
  };
  const say = (message: object) => socket.send(JSON.stringify(message));
  say({ op: "who" });
  return { pid: (await frame("who")).pid as number, say, frame };
}

describe("two workers with an app", () => {
  let server: Server;
  let pids: number[];
  beforeAll(async () => {
    const cwd = await makeAppFolder({ "app.ts": WITNESS });
    const env = { ...ENV, DATABASE_URL: data.url };
    server = await startServer(["serve", "--workers", "2", "--port", "0"], { cwd, env });
    expect(server.facts).toMatchObject({ workers: 2, bus: "between the workers of this machine" });
    pids = await pidsOf(server);
  });

  it("bring what is written at each of them to the streams of the other", async () => {
    const ada = await makePerson(server);
    // Who takes a connection is up to the system, so there are as many as it takes.
    const at = new Map<number, Awaited<ReturnType<typeof openSocket>>>();
    for (let tries = 0; at.size < 2 && tries < 100; tries++) {
      const opened = await Promise.all([0, 1, 2, 3].map(() => openSocket(server, ada)));
      for (const socket of opened) at.set(socket.pid, socket);
    }
    expect([...at.keys()].sort()).toEqual([...pids].sort());
    for (const [from, to] of [pids, [...pids].reverse()] as [number, number][]) {
      const topic = `room/${to}`;
      at.get(to)!.say({ op: "subscribe", id: "room", topics: [topic] });
      await at.get(to)!.frame("subscribe");
      at.get(from)!.say({ op: "publish", topic, type: "chat.line", data: { from } });
      expect(await at.get(from)!.frame("publish")).toMatchObject({ status: 200 });
      await at.get(to)!.frame("event");
    }
  });

  it("have their port for themselves: others say in one line why they cannot start", async () => {
    const { port } = new URL(server.url);
    const second = run(["serve", "--workers", "2", "--port", port, "--home", await makeHome()], {
      env: { ...ENV, DATABASE_URL: data.url },
    });
    expect(await second.exit).toEqual({ code: 1, signal: null });
    const lines = second.stderr().trim().split("\n");
    expect(lines.at(-1)).toBe(`backstay: port ${port} is in use; choose another with --port`);
    expect(second.lines()).toEqual([]);
  });

  it("run its code in each of them, which may end them all", async () => {
    await expect
      .poll(() => server.lines(), { timeout: 10_000 })
      .toEqual(expect.arrayContaining(pids.map((pid) => `app of ${pid}`)));
    // What the server says of itself, and a line of each app.
    expect(server.lines()).toHaveLength(4);
    process.kill(pids[1]!, "SIGUSR2");
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

it("tells streams goodbye when it is told to end, is gone in time, and each line of its log says who wrote it", async () => {
  const server = await serve();
  const [ada, ben] = [await makePerson(server), await makePerson(server)];
  const streams = Array.from({ length: 6 }, () => follow(server.url, ben.token));
  left.push(() => stopped(streams));
  await Promise.all(streams.map(({ ready }) => ready));
  for (let n = 0; n < 10; n++) expect(await sendApart(server, ada, ben, `message ${n}`)).toBe(200);
  await Promise.all(streams.map((stream) => stream.reaches(10, 5_000)));
  for (const { events } of streams) {
    expect(events.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, n) => `message ${n}`));
  }
  const pids = [...(await pidsOf(server)), server.pid];
  const told = performance.now();
  server.signal("SIGTERM");
  expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(streams.map(() => "goodbye"));
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - told).toBeLessThan(GONE_MS);
  expect(pids.filter(isAlive)).toEqual([]);
  expect(logOf(server).filter(({ msg, worker }) => msg === "call" && ![1, 2].includes(worker))).toEqual([]);
  expect(logOf(server).filter(({ worker }) => ![0, 1, 2].includes(worker))).toEqual([]);
});

it("starts a worker that was killed again, streams resume with nothing lost and nothing twice, and all go with the parent", async () => {
  const fresh = await createDatabaseOn(inject("postgres18"), inject("template"));
  left.push(() => fresh.drop());
  const server = await startServer(["serve", "--workers", "2", "--port", "0", "--home", await makeHome()], {
    env: { ...ENV, DATABASE_URL: fresh.url },
  });
  left.push(() => server.kill9());
  const [ada, ben] = [await makePerson(server), await makePerson(server)];

  let sending = true;
  const acknowledged: string[] = [];
  const sendOn = async (sender: number) => {
    for (let n = 0; sending; n++) {
      const message = { text: `${sender} ${n}`, key: `${sender}-${n}` };
      for (;;) {
        const answer = await send(server.url, ada, ben, message).catch(() => undefined);
        if (answer?.status === 200) {
          acknowledged.push(answer.id);
          break;
        }
      }
    }
  };
  /** Resumes whenever it breaks, until it has seen what it was told is all. */
  let all = Number.POSITIVE_INFINITY;
  const followOn = async (first: Follower): Promise<{ seen: string[]; broke: number }> => {
    const seen: string[] = [];
    let stream = first;
    let broke = 0;
    for (;;) {
      const reached = new Promise<void>((resolve) => {
        const look = setInterval(() => {
          if (seen.length + stream.events.length < all) return;
          clearInterval(look);
          resolve();
        }, 20);
        void stream.ended.then(() => clearInterval(look));
      });
      const how = await Promise.race([stream.ended, reached.then(() => "reached" as const)]);
      await stream.stop();
      if (how === "broken") broke++;
      seen.push(...stream.events.map(({ messageId }) => messageId));
      if (how === "reached") return { seen, broke };
      stream = follow(server.url, ben.token, stream.cursor);
    }
  };

  const streams = Array.from({ length: 4 }, () => follow(server.url, ben.token));
  await Promise.all(streams.map(({ ready }) => ready));
  const followers = streams.map(followOn);
  const load = Promise.all([0, 1].map(sendOn));
  const more = (count: number) => {
    const goal = acknowledged.length + count;
    return expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(goal);
  };
  await more(20);
  for (const worker of [1, 2]) {
    const before = await pidOf(server, worker);
    process.kill(before, "SIGKILL");
    await more(20);
    await expect.poll(() => starts(server, worker), { timeout: 30_000 }).toBe(2);
    expect(await pidOf(server, worker)).not.toBe(before);
    await more(20);
  }
  sending = false;
  await load;
  const listed = (await listAll(server.url, ben)).map(({ id }) => id);
  expect(new Set(listed)).toEqual(new Set(acknowledged));
  all = listed.length;
  const followed = await Promise.all(followers);
  for (const { seen } of followed) expect(seen).toEqual(listed);
  expect(followed.reduce((sum, { broke }) => sum + broke, 0)).toBeGreaterThan(0);

  // The link for the first administrator was made once, and is still good.
  const [, setupToken] = server.facts.setupUrl!.split("#");
  const complete = { setupToken, login: "boss", secret: "secret of it", name: "It" };
  expect((await call(server.url, "auth.v1.AuthService/CompleteSetup", complete)).status).toBe(200);

  const pids = await pidsOf(server);
  expect(pids.map(isAlive)).toEqual([true, true]);
  await server.kill9();
  await expect.poll(() => pids.filter(isAlive), { timeout: 5_000 }).toEqual([]);
});

it("goes at once when it is told twice, with calls in flight", async () => {
  const server = await serve();
  const [ada, ben] = [await makePerson(server), await makePerson(server)];
  const pids = await pidsOf(server);
  const sql = postgres(data.url, { max: 2, onnotice: () => {} });
  left.push(() => sql.end({ timeout: 1 }));
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    void sql.begin(async (tx) => {
      await tx`lock table backstay.messages in exclusive mode`;
      resolve();
      await new Promise<void>((done) => {
        letGo = done;
      });
    });
  });
  await held;
  left.push(() => letGo());
  const hanging = sendApart(server, ada, ben, "never").catch(() => "cut");
  await expect.poll(() => countWaiting(sql), { timeout: 10_000 }).toBe(1);
  server.signal("SIGINT");
  await expect
    .poll(
      () =>
        fetch(`${server.url}/readyz`).then(
          ({ status }) => status,
          () => "gone",
        ),
      { timeout: 5_000 },
    )
    .not.toBe(200);
  const told = performance.now();
  server.signal("SIGINT");
  expect(await server.exit).toEqual({ code: 1, signal: null });
  expect(performance.now() - told).toBeLessThan(1_000);
  expect(await hanging).toBe("cut");
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([]);
});

it("ends, and says why, when a worker dies again and again soon after its start", async () => {
  // Process 2 is worker 2, which stays as it is; those after it are worker 1, started again. The first three of these are
  // gone before they have loaded anything, the others fall as the first one did.
  const gone = 'import cluster from "node:cluster"; if ([3, 4, 5].includes(cluster.worker?.id)) process.exit(1);';
  const app = `import cluster from "node:cluster";
import { existsSync } from "node:fs";
import { backend } from "backstay";
const app = backend();
setInterval(() => {
  if (cluster.worker.id !== 2 && existsSync("fall")) throw new Error("fallen over");
}, 20);
await app.start();
`;
  const cwd = await makeAppFolder({ "app.ts": app });
  const nodeFlags = ["--import", `data:text/javascript,${encodeURIComponent(gone)}`];
  const how = { cwd, nodeFlags, env: { ...ENV, DATABASE_URL: data.url } };
  const server = await startServer(["serve", "--workers", "2", "--port", "0"], how);
  writeFileSync(join(cwd, "fall"), "");
  expect(await server.exit).toEqual({ code: 1, signal: null });
  const said = server.stderr().trim().split("\n").at(-1);
  expect(said).toMatch(/^backstay: worker 1 died 5 times soon after its start: fallen over$/);
});
