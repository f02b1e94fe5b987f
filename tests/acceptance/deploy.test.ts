import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { findNatsServer } from "../../server/cli/nats-server.js";
import { flagOf, SETTINGS } from "../../server/config.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { follow } from "./follower.js";
import { send, signUp } from "./people.js";
import { type Backstay, cleanUp, makeHome, run } from "./server-process.js";

// What docs/deploy says is run as it stands: the command lines of its units, with the places of this machine.

const ROOT = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const FOLDER = join(ROOT, "docs/deploy");

// Several processes start in each of them, on whatever else the machine does.
vi.setConfig({ testTimeout: 60_000 });

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

const unit = (name: string) => readFileSync(join(FOLDER, name), "utf8");

/** The settings of a unit, by name. */
function settingsOf(name: string): Map<string, string> {
  const lines = unit(name).split("\n");
  return new Map(
    lines.flatMap((line) => (/^[A-Z]\w*=/.test(line) ? [line.split(/=(.*)/s, 2) as [string, string]] : [])),
  );
}

/** The words of a unit's command, with other places than a real machine's. */
function commandOf(name: string, places: Record<string, string>): string[] {
  let line = settingsOf(name).get("ExecStart")!;
  for (const [place, other] of Object.entries(places)) {
    expect(line, `${name} has ${place}`).toContain(place);
    line = line.replaceAll(place, other);
  }
  return line.split(" ");
}

/** The example's environment, with the servers of this test. */
function environment(servers: Record<string, string>): Record<string, string> {
  const lines = unit("backstay.env.example").split("\n");
  const given = lines.flatMap((line) => (/^\w+=/.test(line) ? [line.split(/=(.*)/s, 2) as [string, string]] : []));
  const env = { ...Object.fromEntries(given), ...servers };
  expect(Object.keys(env).sort()).toEqual(given.map(([name]) => name).sort());
  return env;
}

/** Runs the command of a unit. */
function start(name: string, places: Record<string, string>, env: Record<string, string> = {}): Backstay {
  const [program, ...words] = commandOf(name, places);
  return run(words, { env, program: [], executable: program! });
}

async function startNode(name: string, port: number, home: string, env: Record<string, string>) {
  const node = start(
    name,
    {
      ...NODE,
      "/var/lib/backstay": home,
      ...(name.includes("@") ? { "%i": String(port) } : { "--port 8000": `--port ${port}` }),
    },
    env,
  );
  const ready = await node.line((line) => line.startsWith("backstay ready "));
  return { ...node, url: ready.slice("backstay ready ".length) };
}

const NODE = { "/usr/bin/node": process.execPath, "/srv/backstay/node_modules/backstay": ROOT };

describe("the units", () => {
  it("run a NATS and two nodes, each of which brings the other's events, and end in order", async () => {
    const [natsPort, one, two] = [await unusedPort(), await unusedPort(), await unusedPort()];
    const home = await makeHome();
    const nats = start("backstay-nats.service", {
      "/usr/sbin/nats-server": await findNatsServer(),
      "4222": String(natsPort),
      "/var/lib/backstay-nats": join(home, "nats"),
    });
    const env = environment({
      BACKSTAY_SECRET: "7c".repeat(32),
      DATABASE_URL: data.url,
      NATS_URL: `nats://127.0.0.1:${natsPort}`,
    });
    const nodes = await Promise.all([one, two].map((port) => startNode("backstay@.service", port!, home, env)));
    for (const node of nodes) {
      expect(JSON.parse(node.lines()[0]!)).toMatchObject({ bus: expect.stringContaining(String(natsPort)) });
    }
    const ben = await signUp(nodes[0]!.url, "deployed-ben");
    const ada = await signUp(nodes[1]!.url, "deployed-ada");
    const ready = () => Promise.all(nodes.map(({ url }) => fetch(`${url}/readyz`).then((answer) => answer.json())));
    await expect.poll(ready, { timeout: 5_000 }).toEqual([{ status: "ok" }, { status: "ok" }]);
    for (const [at, written] of [nodes, [...nodes].reverse()]) {
      const stream = follow(at!.url, ben.token);
      await stream.ready;
      expect((await send(written!.url, ada, ben, { text: written!.url, key: written!.url })).status).toBe(200);
      await stream.reaches(1, 5_000);
      await stream.stop();
    }

    await nats.kill9();
    const degraded = { status: "degraded", away: ["nats"], eventLagMs: expect.any(Number) };
    await expect.poll(ready, { timeout: 15_000 }).toEqual([degraded, degraded]);
    for (const node of nodes) {
      node.signal("SIGTERM");
      expect(await node.exit).toEqual({ code: 0, signal: null });
    }
  });

  it("run one server with workers on the embedded PostgreSQL when the environment names no servers", async () => {
    const home = await makeHome();
    const env = environment({ BACKSTAY_SECRET: "7c".repeat(32), DATABASE_URL: "", NATS_URL: "" });
    const server = await startNode("backstay.service", await unusedPort(), home, env);
    expect(JSON.parse(server.lines()[0]!)).toMatchObject({
      database: `embedded PostgreSQL 18.4 in ${home}/var/postgres`,
      workers: 2,
    });
    server.signal("SIGTERM");
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });

  it("give a server the time that it may take to end, and only tell its first process", () => {
    for (const name of readdirSync(FOLDER).filter((file) => /^backstay@?\.service$/.test(file))) {
      const settings = settingsOf(name);
      expect(Number(settings.get("TimeoutStopSec"))).toBeGreaterThan(10);
      expect(settings.get("KillMode")).toBe("mixed");
      expect(settings.get("EnvironmentFile")).toBe("/etc/backstay/backstay.env");
    }
  });
});

it("the page names no setting that does not exist", () => {
  const known = new Set(Object.keys(SETTINGS));
  const text = unit("README.md");
  const named = [...text.matchAll(/`((?:limits|events|nats|database|auth)\.[a-z_]+)`/g)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
  const flags = new Set(Object.keys(SETTINGS).map((name) => `--${flagOf(name as keyof typeof SETTINGS)}`));
  const commands = readdirSync(FOLDER).filter((name) => name.startsWith("backstay") && name.endsWith(".service"));
  const given = commands
    .filter((name) => !name.includes("nats"))
    .flatMap(
      (name) =>
        settingsOf(name)
          .get("ExecStart")!
          .match(/--[a-z-]+/g) ?? [],
    );
  expect(given.filter((flag) => !flags.has(flag))).toEqual([]);
});

function unusedPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
