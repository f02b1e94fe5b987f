/**
 * `npm run bench -- sign-in`: whether a refusal's time tells that a login exists, and what a storm of sign-ins does to others.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { shareGround } from "../server/app.js";
import { freePort } from "../server/cli/free-port.js";
import { loginStorm } from "./login-storm.js";
import { ROOT, type Server, startServer } from "./processes.js";
import { refusalTimes } from "./sign-in-timing.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    /** Of each kind. */
    tries: { type: "string", default: "300" },
    rate: { type: "string", default: "500" },
    seconds: { type: "string", default: "10" },
    /** Does it run, not how fast. */
    quick: { type: "boolean", default: false },
  },
});
const tries = flags.quick ? 20 : Number(flags.tries);
const storm = { rate: Number(flags.rate), seconds: flags.quick ? 2 : Number(flags.seconds), people: 20 };

const GOAL = { ratioWithin: 0.05, pingP99: 100 };

const home = await mkdtemp(join(tmpdir(), "backstay-bench-"));
await chmod(home, 0o711);
const stops: (() => Promise<unknown>)[] = [() => rm(home, { recursive: true, force: true })];
try {
  const ground = await shareGround(home, await freePort());
  stops.push(() => ground.stop());
  /** Does something with a server of these settings. */
  const on = async <T>(settings: Record<string, string>, work: (server: Server) => Promise<T>): Promise<T> => {
    const ours = { home: join(home, "server"), port: "0", "log-level": "warn" };
    const shared = { "database-url": ground.databaseUrl, secret: ground.secret };
    const words = Object.entries({ ...ours, ...shared, ...settings }).flatMap(([flag, value]) => [`--${flag}`, value]);
    const server = await startServer([join(ROOT, "server/cli/bin.mjs"), "serve", ...words]);
    try {
      return await work(server);
    } finally {
      await server.stop();
    }
  };

  console.error("bench: refusals");
  const refusals = await on({ "limits-rate": "off" }, (server) => refusalTimes(server, tries));
  console.error("bench: a storm that reaches the secrets' queue");
  const many = { "limits-rate": "on", "limits-secrets-per-minute": "1000000" };
  const atTheQueue = await on(many, (server) => loginStorm(server, "known", storm));
  console.error("bench: a storm from one address, with the default limits");
  const atTheLimits = await on({ "limits-rate": "on" }, (server) => loginStorm(server, "other", storm));
  const storms = [atTheQueue, atTheLimits];
  const report = {
    date: new Date().toISOString(),
    node: process.versions.node,
    refusals,
    storm,
    atTheQueue,
    atTheLimits,
    goal: {
      ...GOAL,
      met:
        Math.abs(refusals.ratio - 1) <= GOAL.ratioWithin &&
        storms.every(({ ping, people }) => ping.p99 < GOAL.pingP99 && people.signedIn === people.wanted),
    },
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  for (const stop of stops.reverse()) await stop();
}
