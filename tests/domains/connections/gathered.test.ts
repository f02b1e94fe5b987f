import { randomUUID } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type postgres from "postgres";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { putGathered } from "../../../server/domains/connections/put-gathered.js";
import type { Database } from "../../../server/platform/db/index.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type EventJson, standingStream } from "../stream.js";
import { openDatabase, upTo } from "../support.js";
import { audit, countersOf, makeAccounts, setBlock } from "./support.js";

let backstay: TestBackstay;
let database: Database;
let ada: Person;
let people: Person[];
beforeAll(async () => {
  backstay = await startBackstay({});
  database = postgresDatabase({
    ...{ target: { url: backstay.databaseUrl }, poolSize: 6 },
    ...{ statementTimeout: 20_000, lockTimeout: 20_000, acquireTimeout: 20_000 },
  });
  await database.start();
});
beforeEach(async () => {
  ada = await backstay.signUp();
  people = await Promise.all(upTo(8).map(() => backstay.signUp()));
});
afterAll(async () => {
  await database.stop();
  await backstay.stop();
});

const newId = () => randomUUID().replaceAll("-", "");
const put = (who: Person, peerId: string, type = "like", properties = {}, key?: string) => {
  const id = newId();
  return putGathered(
    { db: database, database },
    { id, accountId: who.id, type, peerId, properties, at: new Date(), eventId: newId() },
    key === undefined ? undefined : { scope: who.id, key, requestHash: Buffer.from("same"), resourceId: id },
  );
};
const like = (who: Person, properties = {}, type = "like") => put(who, ada.id, type, properties);

/** Keeps the node busy with as many puts of strangers as it does at once, so that who comes next goes together. */
async function whileBusy<T>(sql: postgres.Sql, ask: () => Promise<T>[]): Promise<Promise<T>[]> {
  const [peer, ...strangers] = await makeAccounts(sql, 9);
  const busy = strangers.map((id) => put({ id } as Person, peer!));
  const asked = ask();
  for (const one of asked) one.catch(() => {});
  await Promise.all(busy);
  return asked;
}

/** The statements that made the connections of these people, and how many each has made. */
async function statements(sql: postgres.Sql, of: Person[]): Promise<number[]> {
  const rows = await sql`select count(*)::int as count from backstay.connections
    where account_id = any(${of.map(({ id }) => id)}::uuid[]) group by xmin::text order by 1`;
  return rows.map(({ count }) => count);
}

it("who connects at once shares a statement, and each is answered and counted as if he were alone", async () => {
  const [ben, cleo, dan, eve, finn, gil, hana, ian] = people as [
    Person,
    Person,
    Person,
    Person,
    Person,
    Person,
    Person,
    Person,
  ];
  const sql = openDatabase(backstay);
  await like(ben, { old: 1 });
  await put(ada, cleo.id);
  await setBlock(sql, ada.id, dan.id);
  const stream = await standingStream(backstay, ada.token);
  const asked = await whileBusy(sql, () => [
    like(ben, { again: 2 }),
    like(cleo, { a: "1" }),
    like(dan, { withheld: true }),
    like(eve, { first: 1 }),
    like(eve, {}, "view"),
    like(finn),
    like(gil, { "{,}": 'quoted " \\ {}' }),
    put(hana, ian.id),
    put(ian, hana.id),
    put(ian, newId()),
  ]);
  const answers = await Promise.all(asked);
  expect(answers.map(({ peer, isNew, isShown, connected }) => [peer, isNew, isShown, connected])).toEqual([
    [ada.id, false, false, false],
    [ada.id, true, true, true],
    [ada.id, true, false, false],
    ...upTo(4).map(() => [ada.id, true, true, false]),
    [ian.id, true, true, true],
    [hana.id, true, true, true],
    [null, null, null, false],
  ]);
  expect(await statements(sql, [cleo, dan, eve, finn, gil, hana, ian])).toEqual([8]);
  expect(await countersOf(sql, ada.id)).toEqual({ like0: 1, like1: 5, view1: 1 });
  expect(await countersOf(sql, dan.id)).toEqual({ like0: 1 });
  expect(await countersOf(sql, ian.id)).toEqual({ like0: 1, like1: 1 });
  expect(await audit(sql)).toEqual([]);
  const [own] = (await gil.client.connections.listConnections({})).connections;
  expect(own?.properties).toEqual({ "{,}": 'quoted " \\ {}' });
  expect(answers[6]!.createdAt).toEqual(timestampDate(own!.createTime!));

  const told: EventJson[] = [];
  while (told.length < 6) {
    const event = await stream.event();
    // What was there before may have come late enough to be heard.
    if (event.actorId !== ben.id || event.type === "connection.update") told.push(event);
  }
  const of = (who: Person) => told.filter(({ actorId }) => actorId === who.id).map(({ type }) => type);
  expect([of(ben), of(dan), of(eve)]).toEqual([["connection.update"], [], ["connection.add", "connection.add"]]);
});

it("two of them who put to each other are connected, unless one has blocked the other", async () => {
  const [ben, cleo, dan, eve] = people as [Person, Person, Person, Person];
  const sql = openDatabase(backstay);
  for (const [one, other] of [
    [dan, eve],
    [eve, dan],
  ] as const)
    await put(one, other.id);
  await setBlock(sql, dan.id, eve.id);
  const pairs = [
    [ben, cleo],
    [cleo, ben],
    [dan, eve],
    [eve, dan],
  ] as const;
  const answers = await Promise.all(await whileBusy(sql, () => pairs.map(([one, other]) => put(one, other.id))));
  // Eve is not told of the block.
  expect(answers.map(({ connected }) => connected)).toEqual([true, true, false, true]);
});

it("one of them who puts several times is counted once", async () => {
  const [ben] = people as [Person];
  const sql = openDatabase(backstay);
  await Promise.all(await whileBusy(sql, () => upTo(5).map((n) => like(ben, { n }))));
  expect(await countersOf(sql, ben.id)).toEqual({ like0: 1 });
  expect(await audit(sql)).toEqual([]);
});

it("one of them whose key was used writes nothing, and the others do", async () => {
  const [ben, cleo, dan] = people as [Person, Person, Person];
  const sql = openDatabase(backstay);
  const likes = () => [ben, cleo].map((one) => put(one, ada.id, "like", {}, "key"));
  const first = await Promise.all(await whileBusy(sql, likes));
  await ben.client.connections.deleteConnections({});
  const again = await Promise.all(await whileBusy(sql, () => [...likes(), put(dan, ada.id, "like", {}, "key")]));
  expect([...first, ...again].map(({ peer, isNew }) => [peer, isNew])).toEqual([
    [ada.id, true],
    [ada.id, true],
    [ada.id, null],
    [ada.id, null],
    [ada.id, true],
  ]);
  expect(await countersOf(sql, ada.id)).toEqual({ like1: 2 });
});

it("nobody waits for one of them whose account is held by somebody, or whose connection is", async () => {
  const [held, replaced, ...others] = people as [Person, Person, ...Person[]];
  const sql = openDatabase(backstay);
  await like(replaced, { old: 1 });
  let late: Promise<unknown>[] = [];
  await sql.begin(async (tx) => {
    await tx`select 1 from backstay.accounts where id = ${held.id} for update`;
    await tx`select 1 from backstay.connections where account_id = ${replaced.id} for update`;
    const asked = await whileBusy(sql, () => people.map((one) => like(one, { new: 1 })));
    late = asked.slice(0, 2);
    // The locks end with the transaction: whoever waited for one would not be answered here.
    await Promise.all(asked.slice(2));
    expect(await statements(sql, others)).toEqual([others.length]);
  });
  await Promise.all(late);
  expect(await countersOf(sql, ada.id)).toEqual({ like1: 2 + others.length });
});

it("one of them whose account goes meanwhile fails alone", async () => {
  const [gone, ...others] = people as [Person, ...Person[]];
  const sql = openDatabase(backstay);
  let asked: Promise<unknown>[] = [];
  await sql.begin(async (tx) => {
    await tx`delete from backstay.accounts where id = ${gone.id}`;
    asked = await whileBusy(sql, () => people.map((one) => like(one)));
  });
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes[0]).toMatchObject({ status: "rejected", reason: { kind: "foreign_key" } });
  expect(outcomes.slice(1).map(({ status }) => status)).toEqual(others.map(() => "fulfilled"));
  expect(await countersOf(sql, ada.id)).toEqual({ like1: others.length });
});
