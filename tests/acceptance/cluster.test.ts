import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { isAlive } from "../../server/platform/process.js";
import { follow } from "./follower.js";
import { send } from "./people.js";
import { type Backstay, cleanUp, databasePid, isDatabaseOf, makeHome, run } from "./server-process.js";

// Several servers for development, by one command: the real PostgreSQL, the real NATS, processes of their own.

// Several processes start in each of them, on whatever else the machine does.
vi.setConfig({ testTimeout: 110_000 });

afterAll(cleanUp);

interface Facts {
  nodes: { url: string; pid: number }[];
  demo: { login: string; id: string; token: string }[];
}

async function startCluster(home: string, words: string[] = []): Promise<Backstay & Facts> {
  const cluster = run(["cluster", "--port", "0", "--home", home, "--json", ...words]);
  const ready = await cluster.line((line) => line.startsWith('{"ready":true'));
  const facts = JSON.parse(cluster.lines()[0]!) as Facts;
  expect(JSON.parse(ready)).toEqual({ ready: true, urls: facts.nodes.map(({ url }) => url) });
  expect(cluster.lines()).toHaveLength(2);
  return { ...cluster, ...facts };
}

/** The processes whose command line names this folder. */
async function processesOf(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,args="]);
  return stdout.split("\n").filter((line) => line.includes(folder));
}

/** The home of all of them, one after the other. */
let home: string;
let first: Awaited<ReturnType<typeof startCluster>>;
beforeAll(async () => {
  home = await makeHome();
});

it("runs two nodes that hear of each other by NATS, once in a home, and takes them along when it is killed", async () => {
  const cluster = await startCluster(home);
  first = cluster;
  const [one, two] = cluster.nodes;
  const [ada, ben] = cluster.demo;
  for (const [at, written] of [
    [one!, two!],
    [two!, one!],
  ] as const) {
    const stream = follow(at.url, ben!.token);
    await stream.ready;
    const sent = await send(written.url, ada!, ben!, { text: `at ${written.url}`, key: written.url });
    expect(sent.status).toBe(200);
    await stream.reaches(1, 5_000);
    expect(stream.events[0]!.text).toBe(`at ${written.url}`);
    await stream.stop();
  }

  const second = run(["cluster", "--port", "0", "--home", home]);
  expect(await second.exit).toEqual({ code: 1, signal: null });
  expect(second.stderr().trim()).toBe(`backstay: ${home}/cluster is in use by process ${cluster.pid}`);

  expect(cluster.nodes.filter(({ pid }) => isAlive(pid))).toHaveLength(2);
  await cluster.kill9();
  await expect.poll(() => cluster.nodes.filter(({ pid }) => isAlive(pid)), { timeout: 15_000 }).toEqual([]);
  await expect.poll(() => processesOf(`${home}/cluster/var/nats`), { timeout: 5_000 }).toEqual([]);
  expect(isDatabaseOf(databasePid(join(home, "cluster"))!, home)).toBe(true);
});

it("has its data again when it is started again, goes on without a node that is killed, and ends everything in order", async () => {
  // The PostgreSQL of the one that was killed goes on, and is this one's.
  const cluster = await startCluster(home, ["--nodes", "3"]);
  const [one, two] = cluster.nodes;
  expect(cluster.nodes).toHaveLength(3);
  expect(cluster.demo.map(({ id }) => id)).toEqual(first.demo.map(({ id }) => id));
  process.kill(two!.pid, "SIGKILL");
  await expect
    .poll(cluster.stderr, { timeout: 10_000 })
    .toBe(`backstay: node 2 (process ${two!.pid}) ended: SIGKILL\n`);
  expect((await fetch(`${one!.url}/readyz`)).status).toBe(200);

  cluster.signal("SIGINT");
  expect(await cluster.exit).toEqual({ code: 0, signal: null });
  expect(await processesOf(home)).toEqual([]);
  expect(databasePid(join(home, "cluster"))).toBeUndefined();
  const log = readFileSync(join(home, "cluster/log/node-1.log"), "utf8");
  expect(log).toContain('"msg":"stopped"');
  expect(log).not.toMatch(/bs_(at|rt|st|op)_/);
});

it("says in one line what keeps a node from starting, and leaves nothing behind", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const cluster = run(["cluster", "--no-demo", "--port", String(port), "--home", home]);
  expect(await cluster.exit).toEqual({ code: 1, signal: null });
  // The port after it may be taken too, and be told of first.
  expect(cluster.stderr().trim()).toMatch(/^backstay: node [12]: port \d+ is in use; choose another with --port$/);
  expect(await processesOf(home)).toEqual([]);
  taken.close();
});
