/** `npm run bench -- nodes`: from a write to a stream, on the same node and from one node to another, with NATS and without. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { shareGround } from "../server/app.js";
import { freePort } from "../server/cli/free-port.js";
import { startNatsServer } from "../server/cli/nats-server.js";
import { post, signUp } from "./people.js";
import { ROOT, type Server, startServer } from "./processes.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: "string", default: "500" },
    seconds: { type: "string", default: "20" },
    quick: { type: "boolean", default: false },
  },
});
const rate = Number(flags.rate);
const seconds = flags.quick ? 3 : Number(flags.seconds);

const GOAL = { sameNodeP99: 50, twoNodesP99: 100, withoutNatsMax: 3_000 };
const PEOPLE = 20;
/** Within this, what was sent last has arrived. */
const SETTLE_MS = 5_000;

const home = await mkdtemp(join(tmpdir(), "backstay-bench-"));
await chmod(home, 0o711);
const stops: (() => Promise<unknown>)[] = [() => rm(home, { recursive: true, force: true })];
try {
  const ground = await shareGround(home, await freePort());
  stops.push(() => ground.stop());
  const nats = await startNatsServer({ storeDir: join(home, "nats") });
  stops.push(() => nats.stop());
  const start = async (name: string): Promise<Server> => {
    const settings = { home: join(home, name), port: "0", "limits-rate": "off", "log-level": "warn" };
    const shared = { "database-url": ground.databaseUrl, secret: ground.secret, "nats-url": nats.url };
    const words = Object.entries({ ...settings, ...shared }).flatMap(([flag, value]) => [`--${flag}`, value]);
    const server = await startServer([join(ROOT, "server/cli/bin.mjs"), "serve", ...words]);
    stops.push(() => server.stop());
    return server;
  };
  const [here, there] = [await start("here"), await start("there")];
  const people = await Promise.all(Array.from({ length: PEOPLE }, (_, n) => signUp(here.port, `person-${n}`)));

  await latencies("warm-up", here.port, here.port, 2);
  const sameNode = await latencies("same node", here.port, here.port, seconds);
  const twoNodes = await latencies("two nodes", there.port, here.port, seconds);
  await nats.kill9();
  const sameNodeWithout = await latencies("same node without NATS", here.port, here.port, seconds);
  const twoNodesWithout = await latencies("two nodes without NATS", there.port, here.port, seconds);
  const report = {
    date: new Date().toISOString(),
    node: process.versions.node,
    rate,
    seconds,
    milliseconds: { sameNode, twoNodes, sameNodeWithout, twoNodesWithout },
    goal: {
      ...GOAL,
      met:
        sameNode.p99 < GOAL.sameNodeP99 &&
        twoNodes.p99 < GOAL.twoNodesP99 &&
        twoNodesWithout.max < GOAL.withoutNatsMax &&
        [sameNode, twoNodes, sameNodeWithout, twoNodesWithout].every(({ sent, arrived }) => sent === arrived),
    },
  };
  console.log(JSON.stringify(report, null, 2));

  /** Sends at an even pace by one node, and takes the time until each message is on its recipient's stream of another. */
  async function latencies(name: string, sendAt: number, streamAt: number, forSeconds: number) {
    console.error(`bench: ${name}`);
    const taken: number[] = [];
    const streams = await Promise.all(
      people.map(({ token }) => follow(streamAt, token, (sentAt) => taken.push(performance.now() - sentAt))),
    );
    const sends: Promise<void>[] = [];
    const began = performance.now();
    for (let n = 0; n < rate * forSeconds; n++) {
      const wait = began + (n * 1000) / rate - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      sends.push(send(sendAt, people[n % PEOPLE]!.token, people[(n + 1) % PEOPLE]!.id));
    }
    await Promise.all(sends);
    const end = performance.now() + SETTLE_MS;
    while (taken.length < sends.length && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const close of streams) close();
    const sorted = Float64Array.from(taken).sort();
    const at = (share: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
    return { sent: sends.length, arrived: taken.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  }
} finally {
  for (const stop of stops.reverse()) await stop();
}

async function send(port: number, token: string, recipientId: string): Promise<void> {
  await post(port, "/v1/messages", { recipientId, text: String(performance.now()) }, token);
}

/** Follows the messages to an account; resolves when the stream stands, with what closes it. */
function follow(port: number, token: string, heard: (sentAt: number) => void): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, accept: "application/x-ndjson" };
    const asked = request({ port, path: "/v1/events:subscribe?types=message.add", headers }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`a stream was answered ${response.statusCode}`));
      const lines = createInterface({ input: response.on("error", () => {}) }).on("error", () => {});
      lines.on("line", (line) => {
        const { ready, event } = JSON.parse(line);
        if (ready) resolve(() => asked.destroy());
        // The sender's own stream hears of it too.
        if (event && event.topic === `account/${event.data.recipientId}`) heard(Number(event.data.text));
      });
    });
    asked.on("error", reject).end();
  });
}
