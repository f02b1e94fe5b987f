import { existsSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPostgres15, type TestDatabase, type TestServer } from "../support/postgres.js";
import { type Follower, follow } from "./follower.js";
import { listAll, type Person, send, signUp } from "./people.js";
import {
  cleanUp,
  databaseOf,
  databasePid,
  isDatabaseOf,
  killDatabase,
  makeHome,
  run,
  type Server,
  startServer,
} from "./server-process.js";

/** KILL_ROUNDS=50 is the long form. */
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 1);
const SENDS = 1_000;
const SENDERS = 8;
/** Within this a call is answered by a server and a database that have come back. */
const RECOVERY_MS = 20_000;

const ENV = { BACKSTAY_LIMITS_RATE: "off", BACKSTAY_AUTH_ACCESS_TTL: "4h", BACKSTAY_LOG_LEVEL: "warn" };
const serve = (home: string, env: Record<string, string> = {}) =>
  startServer(["serve", "--port", "0", "--home", home], { env: { ...ENV, ...env } });

afterAll(cleanUp);

/** An installation under test: how its parts are started and killed. */
interface Installation {
  home: string;
  start(): Promise<Server>;
  sql(): postgres.Sql;
  killDatabase(): Promise<void>;
  /** Brings a killed database back where nobody else does. */
  repairDatabase(): Promise<void>;
  stop(): Promise<void>;
}

async function onEmbedded(): Promise<Installation> {
  const home = await makeHome();
  return {
    home,
    start: () => serve(home),
    sql: () => postgres({ ...databaseOf(home), max: 1, onnotice: () => {} }),
    killDatabase: () => killDatabase(home),
    repairDatabase: async () => {},
    stop: async () => {},
  };
}

async function onPostgres15(): Promise<Installation> {
  const home = await makeHome();
  const server: TestServer = await startPostgres15();
  const data: TestDatabase = await server.createDatabase();
  return {
    home,
    start: () => serve(home, { DATABASE_URL: data.url }),
    sql: () => postgres(data.url, { max: 1, onnotice: () => {} }),
    killDatabase: async () => server.kill9(),
    repairDatabase: () => server.restart(),
    stop: () => server.stop(),
  };
}

describe.each([
  ["the embedded PostgreSQL 18", onEmbedded],
  ["PostgreSQL 15", onPostgres15],
])("an installation on %s", (backend, make) => {
  const ownsDatabase = backend.includes("embedded") || !process.env.TEST_DATABASE_URL;
  let place: Installation;
  let server: Server;
  let ben: Person;
  let senders: Person[];
  let stream: Follower;
  /** All events the recipient was ever shown, by whatever stream. */
  const shown: Follower["events"] = [];
  let round = 0;

  beforeAll(async () => {
    place = await make();
    server = await place.start();
    ben = await signUp(server.url, "ben");
    senders = await Promise.all([0, 1, 2].map((n) => signUp(server.url, `sender${n}`)));
    stream = follow(server.url, ben.token);
    await stream.ready;
  });
  afterAll(async () => {
    await stream?.stop();
    await server?.kill9();
    await place?.stop();
  });

  const from = (n: number) => senders[n % senders.length]!;
  const message = (n: number) => ({ text: `round ${round}, message ${n}`, key: `${round}-${n}` });

  /**
   * Sends from all sides until `onAck`, which hears the count of acknowledgements, says that the killing has begun. What was not
   * acknowledged is missing in the answer.
   */
  const sendAll = async (onAck: (count: number) => boolean): Promise<Map<number, string>> => {
    let killing = false;
    const acknowledged = new Map<number, string>();
    let next = 0;
    const sendOn = async () => {
      for (let n = next++; n < SENDS; n = next++) {
        const answer = await send(server.url, from(n), ben, message(n)).catch(() => undefined);
        // A server may still be able to say that its database is gone.
        if (answer === undefined || (killing && answer.status === 503)) return;
        expect(answer).toMatchObject({ status: 200 });
        acknowledged.set(n, answer.id);
        killing ||= onAck(acknowledged.size);
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, sendOn));
    return acknowledged;
  };

  const expectAcknowledged = async (acknowledged: Map<number, string>) => {
    const kept = new Map((await listAll(server.url, ben)).map(({ id, text }) => [id, text]));
    for (const [n, id] of acknowledged) expect(kept.get(id)).toBe(message(n).text);
  };

  /** Does again what was not acknowledged, and some that was: the same keys, so nothing can come of it twice. */
  const retry = async (acknowledged: Map<number, string>) => {
    const known = [...acknowledged].slice(-20);
    const unknown = Array.from({ length: SENDS }, (_, n) => n).filter((n) => !acknowledged.has(n));
    for (const [n, id] of known) {
      expect(await send(server.url, from(n), ben, message(n))).toMatchObject({ status: 200, id });
    }
    await Promise.all(
      Array.from({ length: SENDERS }, async () => {
        for (let n = unknown.pop(); n !== undefined; n = unknown.pop()) {
          expect(await send(server.url, from(n), ben, message(n))).toMatchObject({ status: 200 });
        }
      }),
    );
  };

  /** What the recipient has, by list, by counter and by stream, is each message once and in one order. */
  const expectExactlyOnce = async () => {
    const listed = await listAll(server.url, ben);
    const texts = listed.map(({ text }) => text).filter((text) => text.startsWith(`round ${round},`));
    expect(new Set(texts)).toEqual(new Set(Array.from({ length: SENDS }, (_, n) => message(n).text)));
    expect(texts).toHaveLength(SENDS);

    const sql = place.sql();
    const [row] = await sql`select (select count(*)::int from backstay.messages where recipient_id = ${ben.id}) as rows,
        (select sum(value)::int from backstay.counters where account_id = ${ben.id} and name = 'msg_count') as counted,
        (select count(*)::int from backstay.events where topic = ${`account/${ben.id}`}) as told`.finally(() =>
      sql.end(),
    );
    expect(row).toEqual({ rows: listed.length, counted: listed.length, told: listed.length });

    await stream.reaches(listed.length - shown.length);
    const all = [...shown, ...stream.events];
    expect(all.map(({ messageId }) => messageId)).toEqual(listed.map(({ id }) => id));
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);

    // Whoever left earlier gets exactly what came after that.
    const at = Math.floor(Math.random() * (all.length - 1));
    const late = follow(server.url, ben.token, all[at]!.cursor);
    await late.reaches(all.length - at - 1);
    expect(late.events.map(({ id }) => id)).toEqual(all.slice(at + 1).map(({ id }) => id));
    await late.stop();
  };

  const expectLive = async () => {
    const before = stream.events.length;
    const { id } = await send(server.url, from(0), ben, { text: "live again", key: `live-${round}` });
    await stream.reaches(before + 1, 1_000);
    expect(stream.events.at(-1)!.messageId).toBe(id);
  };

  const resume = async () => {
    shown.push(...stream.events);
    stream = follow(server.url, ben.token, stream.cursor);
    await stream.ready;
  };

  const crash = async (kill: () => Promise<unknown>) => {
    const at = 200 + Math.floor(Math.random() * 600);
    let dying: Promise<unknown> | undefined;
    const acknowledged = await sendAll((count) => {
      if (count >= at) dying ??= kill();
      return dying !== undefined;
    });
    await dying;
    expect(acknowledged.size).toBeGreaterThanOrEqual(at);
    expect(acknowledged.size).toBeLessThan(SENDS);
    expect(await stream.ended).toBe("broken");
    return acknowledged;
  };

  const checkAfter = async (acknowledged: Map<number, string>) => {
    await resume();
    await expectAcknowledged(acknowledged);
    await retry(acknowledged);
    await expectExactlyOnce();
    await expectLive();
  };

  it.each(Array.from({ length: ROUNDS }, (_, n) => n + 1))(
    "loses nothing and repeats nothing when the server is killed while 1,000 messages are sent (round %i)",
    { timeout: 90_000 },
    async () => {
      round++;
      const database = databasePid(place.home);
      const acknowledged = await crash(() => server.kill9());
      if (database !== undefined) expect(isDatabaseOf(database, place.home)).toBe(true);
      server = await place.start();
      // What the killed server left behind was not started a second time.
      expect(databasePid(place.home)).toBe(database);
      await checkAfter(acknowledged);
    },
  );

  it.skipIf(!ownsDatabase)(
    "loses nothing and repeats nothing when its database is killed together with the server",
    { timeout: 90_000 },
    async () => {
      round++;
      const acknowledged = await crash(() => Promise.all([place.killDatabase(), server.kill9()]));
      await place.repairDatabase();
      server = await place.start();
      await checkAfter(acknowledged);
    },
  );

  it.skipIf(!ownsDatabase)(
    "says `unavailable` while only its database is dead, recovers by itself, and keeps its streams",
    { timeout: 90_000 },
    async () => {
      round++;
      const before = stream.events.length;
      let killing: Promise<unknown> | undefined;
      let acknowledged = 0;
      let refused = 0;
      const deadline = Date.now() + 2 * RECOVERY_MS;
      const kill = async () => {
        await place.killDatabase();
        await place.repairDatabase();
      };
      let next = 0;
      const sendOn = async () => {
        for (let n = next++; n < SENDS; n = next++) {
          for (;;) {
            const answer = await send(server.url, from(n), ben, message(n));
            if (answer.status === 200) break;
            expect(answer).toMatchObject({ status: 503, reason: "unavailable" });
            refused++;
            expect(Date.now()).toBeLessThan(deadline);
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          if (++acknowledged >= 300) killing ??= kill();
        }
      };
      await Promise.all(Array.from({ length: SENDERS }, sendOn));
      await killing;
      expect(refused).toBeGreaterThan(0);
      await stream.reaches(before + SENDS);
      await expectExactlyOnce();
      await expectLive();
    },
  );
});

describe("a first start that is killed", () => {
  it.each([
    ["it has taken the home", (home: string) => existsSync(join(home, "tmp/server.json"))],
    ["the database's files are being made", (home: string) => existsSync(join(home, "var/postgres.lock"))],
    ["the database's files are there", (home: string) => existsSync(join(home, "var/postgres/PG_VERSION"))],
    ["the database runs", (home: string) => databasePid(home) !== undefined],
  ])("is followed by one that works, when %s", { timeout: 60_000 }, async (_, reached) => {
    const home = await makeHome();
    const first = run(["serve", "--port", "0", "--home", home], { env: ENV });
    await expect.poll(() => reached(home), { timeout: RECOVERY_MS, interval: 2 }).toBe(true);
    await first.kill9();

    const second = await serve(home);
    const ada = await signUp(second.url, "ada");
    expect(await listAll(second.url, ada)).toEqual([]);
    second.signal("SIGTERM");
    expect(await second.exit).toEqual({ code: 0, signal: null });
  });
});
