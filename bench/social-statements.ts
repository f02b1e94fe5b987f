import postgres from "postgres";
import { putGathered } from "../server/domains/connections/put-gathered.js";
import { type NewConnection, type Put, putConnection } from "../server/domains/connections/store-put.js";
import { uuidV7Ids } from "../server/kernel/ids.js";
import type { Database, Db } from "../server/platform/db/index.js";
import { postgresDatabase } from "../server/platform/db/postgres.js";
import { type Spread, spread } from "./measure.js";
import { databaseSeconds } from "./processes.js";
import { POOL, type SocialGround, seedAccounts, seedLikes } from "./social-ground.js";

/** Likes that are under way at once. */
const AT_ONCE = 100;
/** Each may like somebody once in a slice. */
const LIKERS = 60_000;

/** The rate of likes of one account, as a multiple of that of the same statement on a single row. */
export const STATEMENT_GOAL = 3;

interface Slice {
  perSecond: number;
  /** Processors that were kept busy: by us who send the statements, and by the database. */
  callerBusy: number;
  databaseBusy: number;
}

type Kind = "together" | "slots" | "singleRow" | "apart";

type Like = (connection: NewConnection) => Promise<Put>;

/**
 * Likes at the level of statements: the server's own, on its own pool. `together` are likes of one account as the server makes them,
 * `slots` the same with a statement for each, `singleRow` that statement with the counter held to one row, `apart` likes of a hundred
 * accounts.
 */
export async function measureStatements(
  ground: SocialGround,
  plan: { rounds: number; sliceMs: number },
  tell: (text: string) => void,
) {
  const sql = postgres(ground.emptyUrl, { max: 1, onnotice: () => {} });
  const database = postgresDatabase({
    target: { url: ground.emptyUrl },
    poolSize: POOL,
    statementTimeout: 10_000,
    lockTimeout: 5_000,
    acquireTimeout: 10_000,
  });
  const ids = uuidV7Ids();
  const newAccounts = async (count: number) => {
    const made = Array.from({ length: count }, () => ids.next());
    await seedAccounts(sql, made);
    // They have been liked before.
    await sql`insert into backstay.counters (account_id, name, value)
      select id, 'like1', 0 from unnest(${made}::uuid[]) as id`;
    return made;
  };
  try {
    await database.start();
    const likers = Array.from({ length: LIKERS }, () => ids.next());
    const first = ids.next();
    await seedAccounts(sql, [...likers, first]);
    await seedLikes(sql, likers, first);
    await sql`vacuum analyze`;

    const slice = async (kind: Kind): Promise<Slice> => {
      const peers = await newAccounts(kind === "apart" ? AT_ONCE : 1);
      // Nobody relays here, and an outbox that grows would weigh on the later ones.
      await sql`truncate backstay.outbox`;
      const measured = await run(waysToLike(database)[kind], likers, peers, plan.sliceMs, ground.databasePid);
      const [kept] = await sql`select sum(value)::int as likes, count(*)::int as slots from backstay.counters
        where account_id = any(${peers}::uuid[]) and name = 'like1'`;
      if (kept!.likes !== measured.done) throw new Error(`${measured.done} likes were counted as ${kept!.likes}`);
      if (kind === "singleRow" && kept!.slots !== 1) throw new Error("the single row is not alone");
      return measured;
    };
    const KINDS: Kind[] = ["together", "slots", "singleRow", "apart"];
    const slices: Record<Kind, Slice[]> = { together: [], slots: [], singleRow: [], apart: [] };
    tell("statements: warming up");
    for (const kind of KINDS) await slice(kind);
    for (let round = 0; round < plan.rounds; round++) {
      tell(`statements: round ${round + 1} of ${plan.rounds}`);
      for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) slices[kind].push(await slice(kind));
    }
    const ratio = (kind: Kind, other: Kind): Spread =>
      spread(slices[kind].map(({ perSecond }, n) => perSecond / slices[other][n]!.perSecond));
    const togetherBySingleRow = ratio("together", "singleRow");
    return {
      atOnce: AT_ONCE,
      pool: POOL,
      together: side(slices.together),
      slots: side(slices.slots),
      singleRow: side(slices.singleRow),
      apart: side(slices.apart),
      togetherBySingleRow,
      slotsBySingleRow: ratio("slots", "singleRow"),
      slotsByApart: ratio("slots", "apart"),
      goal: { togetherBySingleRow: STATEMENT_GOAL, met: togetherBySingleRow.median >= STATEMENT_GOAL },
    };
  } finally {
    await database.stop();
    await sql.end({ timeout: 1 });
  }
}

/** Has everyone like somebody, a hundred at once, for so long; counts what was done after a short run-in. */
async function run(like: Like, likers: readonly string[], peers: readonly string[], ms: number, databasePid: number) {
  const ids = uuidV7Ids();
  let [next, done, running] = [0, 0, true];
  const worker = async (peerId: string) => {
    while (running) {
      const accountId = likers[next++];
      if (accountId === undefined) throw new Error(`nobody is left to like after ${LIKERS}`);
      const connection: NewConnection = {
        ...{ id: ids.next(), accountId, type: "like", peerId, properties: {}, at: new Date() },
        eventId: ids.next(),
      };
      const put = await like(connection);
      if (!put.isNew || !put.isShown) throw new Error("a like was not made");
      done++;
    }
  };
  const workers = Array.from({ length: AT_ONCE }, (_, n) => worker(peers[n % peers.length]!));
  const ended = Promise.all(workers);
  const sleep = (time: number) => Promise.race([ended, new Promise((resolve) => setTimeout(resolve, time))]);
  await sleep(250);
  const [from, began, own, database] = [done, performance.now(), process.cpuUsage(), databaseSeconds(databasePid)];
  await sleep(ms);
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(own);
  const measured = {
    perSecond: (done - from) / seconds,
    callerBusy: (user + system) / 1e6 / seconds,
    databaseBusy: (databaseSeconds(databasePid) - database) / seconds,
  };
  running = false;
  await ended;
  return { ...measured, done };
}

function waysToLike(database: Database): Record<Kind, Like> {
  const together: Like = (connection) => putGathered({ db: database, database }, connection, undefined);
  const by = (db: Db): Like => {
    return async (connection) => (await putConnection({ db }, connection))[0]!;
  };
  return { together, slots: by(database), singleRow: by(onSingleRow(database)), apart: together };
}

/** The expression by which a statement chooses a counter's slot. */
const SLOT = /coalesce\(\s*\(select free\.slot [\s\S]*?\)::smallint/g;

/** The same statements with every counter on one row. Throws when it does not find where they choose another. */
function onSingleRow(database: Database): Db {
  return {
    run(text, values, use) {
      const single = text.replace(SLOT, "0::smallint");
      if (single === text) throw new Error("the statement chooses no slot where this bench looks for it");
      return database.run(single, values, use);
    },
  };
}

function side(slices: Slice[]) {
  const of = (value: (slice: Slice) => number) => spread(slices.map(value)).median;
  return {
    perSecond: spread(slices.map(({ perSecond }) => Math.round(perSecond))),
    callerBusy: of(({ callerBusy }) => callerBusy),
    databaseBusy: of(({ databaseBusy }) => databaseBusy),
  };
}
