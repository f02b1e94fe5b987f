import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { join } from "node:path";
import type { Orders } from "./login-storm-sender.js";
import { ROOT, type Server } from "./processes.js";
import { callerAt, reasonOf, retryAfterMs } from "./sign-in-calls.js";

/** How hard it blows. */
export interface Storm {
  /** Sign-ins a second. */
  rate: number;
  seconds: number;
  /** People who sign in meanwhile, by devices they have signed in from before. */
  people: number;
}

/** Between two pings, in milliseconds. */
const PING_EVERY = 20;
/** Who is not in after so long gives up. */
const PATIENCE_MS = 60_000;

/** A storm of sign-ins against a server; who pings it, and who wants to sign in, feels it or does not. `name` is of those. */
export async function loginStorm(server: Server, name: string, storm: Storm) {
  const numbers = Array.from({ length: storm.people }, (_, n) => n);
  const people = await Promise.all(numbers.map((n) => knownPerson(server.port, `${name}-${n}`, `127.0.1.${n + 1}`)));
  const quiet = await pings(server.port, new Promise((resolve) => setTimeout(resolve, 2_000)));
  const sender = fork(join(ROOT, "bench/login-storm-sender.ts"), [], { execArgv: ["--import", "tsx"] });
  try {
    const { rate, seconds } = storm;
    const known = people.map(({ login }) => login);
    sender.send({ port: server.port, rate, seconds, known } satisfies Orders);
    const over = told(sender);
    const every = (seconds * 1000) / people.length;
    const [blown, ping, ...signedIn] = await Promise.all([
      over,
      pings(server.port, over),
      ...people.map(({ signIn }, n) => signIn(n * every)),
    ]);
    const tries = signedIn.map((one) => one.tries);
    return {
      storm: blown,
      /** Milliseconds. */
      quietPing: quiet,
      ping,
      people: {
        wanted: people.length,
        signedIn: signedIn.filter((one) => one.isIn).length,
        tries: tries.reduce((sum, count) => sum + count, 0),
        mostTries: Math.max(...tries),
        slowestMs: Math.round(Math.max(...signedIn.map((one) => one.ms))),
      },
    };
  } finally {
    const gone = once(sender, "exit");
    sender.disconnect();
    await gone;
  }
}

async function told(sender: ChildProcess): Promise<object> {
  const [message] = await Promise.race([once(sender, "message"), once(sender, "exit").then(ended)]);
  return message as object;
}

function ended(): never {
  throw new Error("the sender of the storm ended before it was over");
}

/** Somebody with an address of his own, who has signed in before. */
async function knownPerson(port: number, login: string, localAddress: string) {
  const secret = `secret of ${login}`;
  const { post } = callerAt({ port, localAddress });
  await post("/v1/accounts", { login, secret, name: login });
  const before = await post("/v1/auth/sign-in", { login, secret });
  if (before.status !== 200) throw new Error(`${login} cannot sign in while all is quiet: ${reasonOf(before)}`);
  const { deviceToken } = before.json;
  return {
    login,
    /** Signs in after so many milliseconds, and again whenever he is told to come back, as clients do. */
    async signIn(afterMs: number) {
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const began = performance.now();
      for (let tries = 1; ; tries++) {
        const answer = await post("/v1/auth/sign-in", { login, secret, deviceToken });
        const retryMs = retryAfterMs(answer);
        const ms = performance.now() - began;
        if (retryMs === undefined || ms > PATIENCE_MS) return { isIn: answer.status === 200, tries, ms };
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    },
  };
}

/** Pings at an even pace until then. A ping that is late does not keep the next one from being sent. */
async function pings(port: number, until: Promise<unknown>) {
  const agent = new Agent({ keepAlive: true });
  const taken: Promise<number>[] = [];
  let isOver = false;
  void until.then(() => {
    isOver = true;
  });
  while (!isOver) {
    taken.push(ping(port, agent));
    await new Promise((resolve) => setTimeout(resolve, PING_EVERY));
  }
  const sorted = (await Promise.all(taken)).sort((a, b) => a - b);
  agent.destroy();
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function ping(port: number, agent: Agent): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path: "/v1/ping", agent }, (answer) => {
      answer.resume().on("end", () => resolve(performance.now() - began));
    });
    asked.on("error", reject).end();
  });
}
