import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { cleanUp, makeHome, type Server, startServer } from "../acceptance/server-process.js";
import { auditTables } from "../domains/connections/model-audit.js";
import { type Actor, makeActor, perform, viewOf } from "../domains/connections/model-client.js";
import type { Command } from "../domains/connections/model-commands.js";
import { startPostgres18 } from "../support/postgres.js";
import { type History, history } from "./history.js";
import { type Random, seeded } from "./random.js";
import { type Deeds, deeds } from "./social-record.js";

/** How much of it, and how bad. */
export interface SocialPlan {
  readonly seed: number;
  readonly rounds: number;
  /** Operations of each round. */
  readonly operations: number;
  /** Accounts that act, each doing one thing after the other. */
  readonly accounts: number;
  /** In every so manieth round the database server is killed in place of ours. */
  readonly databaseEvery: number;
}

/** What came of it. */
export interface SocialVerdict {
  readonly seed: number;
  readonly history: string;
  readonly acknowledged: number;
  /** Operations that nobody answered: a run in which all were has tried nothing. */
  readonly unanswered: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly accountsDeleted: number;
  readonly faults: Readonly<Record<string, number>>;
  /** What was not as it must be, the first hundred. */
  readonly complaints: readonly string[];
  readonly seconds: number;
}

/** An account of the run, with what it has done so far. */
interface Person extends Actor {
  readonly deeds: Deeds;
  /** Whether its deletion has begun, or is acknowledged. */
  leaving: boolean;
  gone: boolean;
  /** What nobody answered and may be asked again. */
  open: Asked | undefined;
}

/** What is asked, with an idempotency key where it has one. */
interface Asked {
  readonly command: Command;
  readonly key?: string | undefined;
}

const TYPES = ["like", "follow", "invite"];
/** Refused, but not for good: whoever asks again is answered. */
const LATER = ["DATABASE_UNAVAILABLE", "QUERY_TIMEOUT"];
const UNANSWERED = "unanswered";
/** How an account's deletion is answered when it was done the first time. */
const GONE = ["INVALID_TOKEN", "ACCOUNT_NOT_FOUND"];
const REFUSED: Readonly<Record<Command["verb"], readonly string[]>> = {
  put: ["ACCOUNT_NOT_FOUND"],
  update: ["CONNECTION_NOT_FOUND", "INVITE_STATE"],
  delete: [],
  block: ["ACCOUNT_NOT_FOUND"],
  unblock: [],
  increment: ["ACCOUNT_NOT_FOUND"],
  putCounters: [],
  send: ["RECIPIENT_NOT_FOUND"],
  read: [],
  deleteMessages: [],
  deleteAccount: [],
};
/** Within this a server is back that was killed, in milliseconds. */
const BACK_MS = 60_000;

/** Has accounts connect, block, write and leave while the server is killed again and again, and compares what is there with what they were told. */
export async function socialFaults(plan: SocialPlan, tell: (text: string) => void): Promise<SocialVerdict> {
  const began = performance.now();
  const notes = history("social", plan.seed);
  notes.note("plan", plan);
  const random = seeded(plan.seed);
  const house = await openHouse(notes);
  try {
    const run = new Run(house, plan, random, notes);
    tell(`${plan.accounts} accounts; seed ${plan.seed}, history ${notes.file}`);
    for (let round = 1; round <= plan.rounds; round++) {
      const kill = round % plan.databaseEvery === 0 ? house.killDatabase : house.killServer;
      await run.round(kill);
      tell(`round ${round}: ${run.acknowledged} acknowledged, ${run.complaints.length} complaints`);
    }
    const verdict: SocialVerdict = {
      seed: plan.seed,
      history: notes.file,
      acknowledged: run.acknowledged,
      unanswered: run.unanswered,
      refused: run.refused,
      accountsDeleted: run.people.filter(({ gone }) => gone).length,
      faults: house.faults,
      complaints: run.complaints.slice(0, 100),
      seconds: Math.round((performance.now() - began) / 1000),
    };
    notes.note("verdict", verdict);
    return verdict;
  } finally {
    await house.stop();
    notes.flush();
  }
}

/** A server on its own PostgreSQL, both of which can be killed. */
interface House {
  readonly sql: postgres.Sql;
  readonly faults: Readonly<Record<string, number>>;
  url(): string;
  /** Each resolves when what was killed is back, and nothing of before goes on. */
  killServer(): Promise<void>;
  killDatabase(): Promise<void>;
  stop(): Promise<void>;
}

async function openHouse(notes: History): Promise<House> {
  const database = await startPostgres18();
  const data = await database.createDatabase();
  const home = await makeHome();
  const env = {
    DATABASE_URL: data.url,
    BACKSTAY_SECRET: randomBytes(32).toString("hex"),
    BACKSTAY_AUTH_ANONYMOUS: "on",
    BACKSTAY_LIMITS_RATE: "off",
    BACKSTAY_LOG_LEVEL: "warn",
    BACKSTAY_DATABASE_POOL_SIZE: "16",
    BACKSTAY_EVENTS_RETENTION_PER_TOPIC: "1000000",
  };
  const start = () => startServer(["serve", "--port", "0", "--home", home], { env, lifetimeMs: 1_800_000 });
  let server: Server = await start();
  const sql = postgres(data.url, { max: 2, onnotice: () => {} });
  const faults: Record<string, number> = {};
  const count = (fault: string) => {
    faults[fault] = (faults[fault] ?? 0) + 1;
    notes.note(fault);
  };
  /** A statement whose client is gone goes on to its end. */
  const quiet = async () => {
    const end = performance.now() + BACK_MS;
    for (;;) {
      const busy = await sql`select from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`;
      if (busy.length === 0) return;
      if (performance.now() > end) throw new Error("statements of a server that was killed do not end");
      await pause(20);
    }
  };
  return {
    sql,
    faults,
    url: () => server.url,
    async killServer() {
      count("kill -9 of the server");
      await server.kill9();
      await quiet();
      server = await start();
      notes.note("back");
    },
    async killDatabase() {
      count("kill -9 of the database");
      database.kill9();
      await database.restart();
      await eventually("the database", () => sql`select 1`);
      await eventually("the server", () => makeActor(server.url));
      notes.note("back");
    },
    async stop() {
      await sql.end({ timeout: 1 });
      await server.kill9();
      await cleanUp();
      await database.stop();
    },
  };
}

async function eventually(what: string, ask: () => PromiseLike<unknown>): Promise<void> {
  const end = performance.now() + BACK_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (performance.now() > end) throw new Error(`${what} does not come back`, { cause: error });
      await pause(50);
    }
  }
}

/** One run: who takes part, what they do, and what is found wrong. */
class Run {
  readonly people: Person[] = [];
  readonly complaints: string[] = [];
  readonly refused: Record<string, number> = {};
  acknowledged = 0;
  unanswered = 0;
  private drawn = 0;

  constructor(
    private readonly house: House,
    private readonly plan: SocialPlan,
    private readonly random: Random,
    private readonly notes: History,
  ) {}

  /** Does the operations of a round, with a kill in the middle of them; looks at everything right after that and at the end. */
  async round(kill: () => Promise<void>): Promise<void> {
    const { operations } = this.plan;
    const killAfter = this.random.between(Math.floor(operations / 5), Math.floor((operations * 4) / 5));
    let killing: Promise<void> | undefined;
    // Whoever is in the middle of something then is cut off.
    await this.act(operations, (done) => {
      if (done >= killAfter && killing === undefined) {
        killing = kill();
        killing.catch(() => {});
      }
      return killing !== undefined;
    });
    await killing;
    await this.look("after the kill");
    await this.act(operations - killAfter, () => false);
    await this.look("at the end");
  }

  /** Everybody does one thing after the other until there are so many, or `isOver`. */
  private async act(operations: number, isOver: (done: number) => boolean): Promise<void> {
    let left = operations;
    let done = 0;
    const actFor = async (who: Person) => {
      let person = who;
      while (!isOver(done) && left-- > 0) {
        if (!person.gone) await this.doNext(person);
        // Who cannot sign up while there is no server does so in the next act.
        else person = (await this.join().catch(() => undefined)) ?? person;
        done++;
      }
    };
    const there = this.people.filter(({ gone }) => !gone);
    while (there.length < this.plan.accounts) there.push(await this.join());
    await Promise.all(there.map(actFor));
  }

  private async join(): Promise<Person> {
    const person = {
      ...(await makeActor(this.house.url())),
      deeds: deeds(),
      leaving: false,
      gone: false,
      open: undefined,
    };
    this.people.push(person);
    return person;
  }

  /** Asks again what nobody answered, when it is safe to; or else something new. */
  private async doNext(person: Person): Promise<void> {
    const again = person.open;
    person.open = undefined;
    const { command, key } = again ?? this.draw(person);
    if (again === undefined) person.deeds.begin(command);
    if (command.verb === "deleteAccount") person.leaving = true;
    const refused = await this.ask(person, command, key);
    this.notes.note(refused ?? "ok", { command, again: again !== undefined });
    if (refused === undefined) {
      this.acknowledged++;
      person.deeds.acknowledge(command);
      person.gone = command.verb === "deleteAccount";
    } else if (refused === UNANSWERED) {
      this.unanswered++;
      if (key !== undefined || command.verb === "deleteAccount") person.open = { command, key };
    } else {
      this.refused[refused] = (this.refused[refused] ?? 0) + 1;
      // The first time it may have been done after all.
      if (again === undefined) person.deeds.refuse(command);
      if (command.verb === "deleteAccount" && again !== undefined && GONE.includes(refused)) person.gone = true;
      else if (!this.isDue(command, refused)) this.complain(`${JSON.stringify(command)} was refused: ${refused}`);
    }
  }

  /** The reason of a refusal; undefined when it was done. */
  private async ask(person: Person, command: Command, key: string | undefined): Promise<string | undefined> {
    const headers: Record<string, string> = key === undefined ? {} : { "idempotency-key": key };
    const answer = await perform(this.house.url(), person, command, headers).catch(() => ({ refused: UNANSWERED }));
    if (!("refused" in answer)) return undefined;
    return LATER.includes(answer.refused) ? UNANSWERED : answer.refused;
  }

  private isDue(command: Command, reason: string): boolean {
    if (!REFUSED[command.verb].includes(reason)) return false;
    return !reason.endsWith("ACCOUNT_NOT_FOUND") || !("to" in command) || this.mayBeGone(command.to!);
  }

  private mayBeGone(id: string): boolean {
    return this.people.some((person) => person.id === id && person.leaving);
  }

  private draw({ id: by }: Person): Asked {
    const n = ++this.drawn;
    const others = this.people.filter(({ id, gone }) => id !== by && (!gone || this.random.next() < 0.02));
    const to = this.random.pick(others).id;
    const type = this.random.pick(TYPES);
    const some = <T>(value: T) => (this.random.next() < 0.5 ? value : undefined);
    const key = `${by}-${n}`;
    const kinds: [weight: number, asked: () => Asked][] = [
      [30, () => ({ command: { verb: "put", by, to, type, properties: { n }, createOnly: false } })],
      [12, () => ({ command: { verb: "update", by, to, type, properties: { u: n }, only: undefined } })],
      [
        4,
        () => ({
          command: { verb: "update", by, to, type: "invite", properties: { state: "accepted" }, only: undefined },
        }),
      ],
      [12, () => ({ command: { verb: "delete", by, to, type: some(type) } })],
      [1, () => ({ command: { verb: "delete", by, to: undefined, type: some(type) } })],
      [8, () => ({ command: { verb: "block", by, to } })],
      [8, () => ({ command: { verb: "unblock", by, to } })],
      [10, () => ({ command: { verb: "increment", by, to, amount: 1 }, key })],
      [12, () => ({ command: { verb: "send", by, to, text: key }, key })],
      [0.3, () => ({ command: { verb: "deleteAccount", by } })],
    ];
    let place = this.random.next() * kinds.reduce((sum, [weight]) => sum + weight, 0);
    const [, asked] = kinds.find(([weight]) => {
      place -= weight;
      return place < 0;
    })!;
    return asked();
  }

  private complain(text: string): void {
    this.complaints.push(text);
    this.notes.note("complaint", { text });
  }

  /** Compares tables and lists with each other, and with what everybody was told. */
  private async look(when: string): Promise<void> {
    const { sql } = this.house;
    const found: string[] = [];
    const ids = this.people.map(({ id }) => id);
    for (const { what, rows } of await auditTables(sql, ids))
      found.push(`${what}: ${JSON.stringify(rows.slice(0, 5))}`);
    const [left] = await sql`select count(*)::int as count from backstay.accounts where id = any(${this.people
      .filter(({ gone }) => gone)
      .map(({ id }) => id)}::uuid[])`;
    if (left!.count > 0) found.push(`${left!.count} accounts were deleted and are there`);
    for (const person of this.people) if (!person.leaving) found.push(...(await this.complaintsOf(person)));
    found.push(...(await this.lostOrTwice()));
    for (const text of found) this.complain(`${when}: ${text}`);
  }

  private async complaintsOf(person: Person): Promise<string[]> {
    const { sql, url } = this.house;
    const { id } = person;
    const view = viewOf(url(), person);
    const [made, received, blocks, counters] = [
      await view.connections({ pageSize: 100 }),
      await view.references({ pageSize: 100 }),
      await view.blocked(),
      await view.counters(id),
    ];
    const blocked = blocks.map(({ peerId }) => peerId);
    const found = person.deeds.complain(made, blocked, (peer) => this.mayBeGone(peer));
    const references = await sql`
      select type || ' ' || replace(account_id::text, '-', '') as key from backstay.connections
      where peer_id = ${id}::uuid and reference_id is not null and account_id <> all(${blocked}::uuid[])`;
    const [listed, kept] = [received.map(({ type, peerId }) => `${type} ${peerId}`), references.map(({ key }) => key)];
    if (listed.sort().join() !== kept.sort().join()) found.push(`lists ${listed}, and there are ${kept}`);
    const sums = await sql`
      select name, sum(value)::int as value from backstay.counters where account_id = ${id}::uuid group by name`;
    for (const { name, value } of sums) {
      if ((counters[name] ?? 0) !== value) found.push(`reads ${name} as ${counters[name]}, and it is ${value}`);
    }
    return found.map((text) => `${id}: ${text}`);
  }

  /** Pings and messages that were acknowledged are there once; those that were not, once or not at all. */
  private async lostOrTwice(): Promise<string[]> {
    const { sql } = this.house;
    const found: string[] = [];
    const staying = this.people.filter(({ leaving }) => !leaving);
    for (const { id: to } of staying) {
      const [row] = await sql`
        select (select coalesce(sum(value), 0) from backstay.counters where account_id = ${to}::uuid and name = 'ping')::int
          + (select coalesce(sum(value), 0) from backstay.withheld_counts where account_id = ${to}::uuid and name = 'ping')::int as pings`;
      const sum = (of: readonly Person[], what: "acknowledged" | "begun") =>
        of.reduce((total, { deeds: done }) => total + (done.pings.get(to)?.[what] ?? 0), 0);
      const [least, most] = [sum(staying, "acknowledged"), sum(this.people, "begun")];
      if (row!.pings < least || row!.pings > most) found.push(`${to} has ${row!.pings} pings, not ${least} to ${most}`);
    }
    const rows = await sql`select text, count(*)::int as count from (
        select text from backstay.messages union all select text from backstay.withheld_messages
      ) as kept group by text`;
    const counts = new Map(rows.map(({ text, count }) => [text as string, count as number]));
    for (const { deeds: done, leaving } of this.people) {
      for (const [text, { to, isAcknowledged }] of done.messages) {
        const count = counts.get(text) ?? 0;
        const mayLack = leaving || !isAcknowledged || this.mayBeGone(to);
        if (count > 1 || (count === 0 && !mayLack)) found.push(`the message ${text} is there ${count} times`);
      }
    }
    return found;
  }
}
