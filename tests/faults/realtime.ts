import { randomBytes, randomUUID } from "node:crypto";
import postgres from "postgres";
import { type Person, signUp } from "../acceptance/people.js";
import { cleanUp, makeHome, type Server, startServer } from "../acceptance/server-process.js";
import { call } from "../support/backstay.js";
import { readStream, startNats, type TestNats } from "../support/nats.js";
import { startPostgres18 } from "../support/postgres.js";
import { type Balancer, balancer } from "./balancer.js";
import { type FaultFollower, followAs } from "./followers.js";
import { type History, history } from "./history.js";
import { type Random, seeded } from "./random.js";

/** How much of it, and how bad. */
export interface RealtimePlan {
  readonly seed: number;
  readonly events: number;
  readonly clients: number;
  readonly accounts: number;
  /** Events a second that are to be published, all accounts together. */
  readonly rate: number;
  /** How long NATS is away, in milliseconds. */
  readonly outageMs: number;
  /** Between two cuts of connections, in milliseconds. */
  readonly cutEveryMs: readonly [least: number, most: number];
}

/** What came of it. */
export interface RealtimeVerdict {
  readonly seed: number;
  readonly history: string;
  readonly published: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Events of the log that NATS's own copy lacks, has twice or elsewhere than behind the one before. */
  readonly wrongInNats: number;
  /** Gaps, and errors that ended a subscription. */
  readonly complaints: string[];
  /** How often a client's connection broke: a run in which none did has tried nothing. */
  readonly breaks: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const TYPE = "fault.tick";
/** Within this everything has arrived once nothing breaks any more. */
const SETTLED_MS = 60_000;

/** Publishes to many accounts over two nodes while everything around them fails, and compares what each client was handed. */
export async function realtimeFaults(plan: RealtimePlan, tell: (text: string) => void): Promise<RealtimeVerdict> {
  const began = performance.now();
  const notes = history("realtime", plan.seed);
  notes.note("plan", plan);
  const random = seeded(plan.seed);
  const house = await openHouse(notes);
  const faults: Record<string, number> = {};
  const count = (fault: string, by = 1) => {
    faults[fault] = (faults[fault] ?? 0) + by;
  };
  const followers: FaultFollower[] = [];
  try {
    const people = await signUpAll(house.balancer.url, plan.accounts);
    for (let n = 0; n < plan.clients; n++) {
      const { token } = people[n % people.length]!;
      followers.push(await followAs(`client ${n}`, house.balancer.url, token, { type: TYPE, history: notes }));
    }
    tell(`${followers.length} clients follow ${people.length} accounts; seed ${plan.seed}, history ${notes.file}`);

    const publishing = publishAll(house.balancer.url, people, plan, notes);
    const cutting = cutAtRandom(house, random, plan, publishing, (cut) => count("cut connections", cut));
    await breakThings(house, random, plan, publishing, { tell, count, notes });
    await publishing.done;
    await cutting;
    tell("everything is published; waiting for what is on its way");
    const perAccount = plan.events / people.length;
    await settled(followers, perAccount);
    const wrongInNats = await house.compareCopy();
    return verdict(followers, perAccount, { plan, notes, faults, began, wrongInNats });
  } finally {
    await Promise.all(followers.map((follower) => follower.stop()));
    await house.stop();
    notes.flush();
  }
}

/** Two nodes on one PostgreSQL and one NATS, behind a balancer. */
interface House {
  readonly balancer: Balancer;
  readonly nats: TestNats;
  /** Kills one node as a crash does, and starts it again after a while. */
  killNode(which: number, backAfterMs: number): Promise<void>;
  /** Compares the copy in NATS with the log, once it is as long; answers at how many places they differ. */
  compareCopy(): Promise<number>;
  stop(): Promise<void>;
}

async function openHouse(notes: History): Promise<House> {
  const server = await startPostgres18();
  const data = await server.createDatabase();
  const nats = await startNats();
  const front = await balancer();
  const env = {
    DATABASE_URL: data.url,
    NATS_URL: nats.url,
    BACKSTAY_SECRET: randomBytes(32).toString("hex"),
    BACKSTAY_LIMITS_RATE: "off",
    BACKSTAY_AUTH_ACCESS_TTL: "4h",
    BACKSTAY_LOG_LEVEL: "warn",
    BACKSTAY_EVENTS_RETENTION_PER_TOPIC: "1000000",
    BACKSTAY_EVENTS_STREAMS_PER_ACCOUNT: "10000",
  };
  const homes = [await makeHome(), await makeHome()];
  const start = (which: number) =>
    startServer(["serve", "--port", "0", "--home", homes[which]!], { env, lifetimeMs: 900_000 });
  const nodes: (Server | undefined)[] = [await start(0), await start(1)];
  const direct = () =>
    front.to(nodes.filter((node) => node !== undefined).map((node) => Number(new URL(node.url).port)));
  direct();
  return {
    balancer: front,
    nats,
    async killNode(which, backAfterMs) {
      const node = nodes[which]!;
      notes.note("kill -9", { node: which });
      await node.kill9();
      nodes[which] = undefined;
      direct();
      await pause(backAfterMs);
      nodes[which] = await start(which);
      notes.note("back", { node: which });
      direct();
    },
    async compareCopy() {
      const sql = postgres(data.url, { max: 1 });
      const rows = await sql`select log_offset from backstay.events order by log_offset`;
      await sql.end();
      const offsets = rows.map((row) => String(row.log_offset));
      const end = performance.now() + SETTLED_MS;
      let copied: string[] = [];
      while (copied.length < offsets.length && performance.now() < end) {
        await pause(200);
        copied = (await readStream(nats.url, "BACKSTAY_EVENTS")).map(({ id }) => id.split(".")[1]!);
      }
      return offsets.filter((offset, at) => copied[at] !== offset).length + Math.max(0, copied.length - offsets.length);
    },
    async stop() {
      await front.stop();
      for (const node of nodes) if (node !== undefined) await node.kill9();
      await nats.stop();
      await cleanUp();
      await server.stop();
    },
  };
}

async function signUpAll(url: string, count: number): Promise<Person[]> {
  const run = randomUUID().slice(0, 8);
  return Promise.all(Array.from({ length: count }, (_, n) => signUp(url, `fault-${run}-${n}`)));
}

/** Publishing that is under way. */
interface Publishing {
  readonly done: Promise<void>;
  /** The share of all events that is acknowledged. */
  progress(): number;
}

/** Each account's events one after the other, each until it is acknowledged: the same key is the same event. */
function publishAll(url: string, people: Person[], plan: RealtimePlan, notes: History): Publishing {
  let acknowledged = 0;
  const perAccount = plan.events / people.length;
  const began = performance.now();
  const publishOne = async (person: Person, n: number) => {
    const headers = { authorization: `Bearer ${person.token}`, "idempotency-key": `${person.id}-${n}` };
    for (let attempt = 1; ; attempt++) {
      const answer = await call(url, "events.v1.EventService/Publish", { type: TYPE, data: { n } }, headers).catch(
        (error: unknown) => ({ status: 0, json: { message: String(error) } }),
      );
      notes.note(answer.status === 200 ? "ok" : "unknown", { account: person.id, n, attempt, status: answer.status });
      if (answer.status === 200) break;
      if (answer.status !== 0 && answer.status < 500) throw new Error(`not published: ${JSON.stringify(answer.json)}`);
      await pause(50);
    }
    acknowledged++;
  };
  const publishFor = async (person: Person) => {
    for (let n = 0; n < perAccount; n++) {
      const due = began + (n * people.length * 1000) / plan.rate;
      await pause(due - performance.now());
      await publishOne(person, n);
    }
  };
  const done = Promise.all(people.map(publishFor)).then(() => {});
  done.catch(() => {});
  return { done, progress: () => acknowledged / plan.events };
}

async function cutAtRandom(
  { balancer: front }: House,
  random: Random,
  { cutEveryMs }: RealtimePlan,
  publishing: Publishing,
  count: (cut: number) => void,
): Promise<void> {
  while (publishing.progress() < 1) {
    await Promise.race([pause(random.between(...cutEveryMs)), publishing.done]);
    count(front.cut(0.15, random));
  }
}

/** NATS stops for a while, a node is killed meanwhile or later, and NATS comes back without what it had stored. */
async function breakThings(
  house: House,
  random: Random,
  { outageMs }: RealtimePlan,
  publishing: Publishing,
  { tell, count, notes }: { tell(text: string): void; count(fault: string): void; notes: History },
): Promise<void> {
  const reach = async (share: number) => {
    while (publishing.progress() < share) await Promise.race([pause(20), publishing.done]);
  };
  const say = (what: string) => {
    notes.note(what);
    tell(what);
    count(what);
  };
  await reach(0.1);
  say("NATS is killed");
  await house.nats.kill9();
  const killed = house.killNode(random.between(0, 1), outageMs / 10);
  say("a node is killed");
  await pause(outageMs);
  await house.nats.start();
  say("NATS is back");
  await killed;
  await reach(0.75);
  say("NATS is killed and its store wiped");
  await house.nats.kill9();
  await house.nats.wipe();
  await pause(outageMs / 10);
  await house.nats.start();
  say("NATS is back, empty");
}

async function settled(followers: readonly FaultFollower[], each: number): Promise<void> {
  const end = performance.now() + SETTLED_MS;
  while (performance.now() < end && followers.some(({ heard }) => heard.length < each)) await pause(50);
  // What would come twice gets its chance.
  await pause(1_000);
}

function verdict(
  followers: readonly FaultFollower[],
  each: number,
  run: { plan: RealtimePlan; notes: History; faults: Record<string, number>; began: number; wrongInNats: number },
): RealtimeVerdict {
  const { plan, notes, faults, began, wrongInNats } = run;
  let lost = 0;
  let duplicated = 0;
  let reordered = 0;
  for (const { name, heard } of followers) {
    const once = new Set(heard);
    const ofClient = {
      lost: each - once.size,
      duplicated: heard.length - once.size,
      reordered: heard.filter((n, at) => at > 0 && n < heard[at - 1]!).length,
    };
    lost += ofClient.lost;
    duplicated += ofClient.duplicated;
    reordered += ofClient.reordered;
    if (ofClient.lost + ofClient.duplicated + ofClient.reordered > 0)
      notes.note("wrong", { client: name, ...ofClient, heard });
  }
  const found: RealtimeVerdict = {
    seed: plan.seed,
    history: notes.file,
    published: plan.events,
    delivered: followers.reduce((sum, { heard }) => sum + heard.length, 0),
    lost,
    duplicated,
    reordered,
    wrongInNats,
    complaints: followers.flatMap(({ name, complaints }) => complaints.map((text) => `${name}: ${text}`)),
    breaks: followers.reduce((sum, follower) => sum + follower.breaks(), 0),
    faults,
    seconds: Math.round((performance.now() - began) / 1000),
  };
  notes.note("verdict", found);
  return found;
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
