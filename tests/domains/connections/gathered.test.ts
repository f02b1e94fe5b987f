import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type EventJson, standingStream } from "../stream.js";
import { eventually, openDatabase, upTo } from "../support.js";
import { audit, countersOf, setBlock } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let people: Person[];
beforeAll(async () => {
  backstay = await startBackstay({});
});
beforeEach(async () => {
  ada = await backstay.signUp();
  people = await Promise.all(upTo(8).map(() => backstay.signUp()));
});
afterAll(() => backstay.stop());

const database = () => openDatabase(backstay);
const like = (who: Person, properties = {}, type = "like") =>
  who.client.connections.putConnection({ peerId: ada.id, type, properties });

/** Asks for puts to Ada that have to wait, all of them, for two that stand still until `meanwhile` is over. */
async function allAtOnce<T>(puts: () => Promise<T>[], meanwhile = async () => {}): Promise<Promise<T>[]> {
  const [first, second] = await Promise.all([backstay.signUp(), backstay.signUp()]);
  await like(first);
  await like(second);
  const sql = database();
  return sql.begin(async (tx) => {
    await tx`select 1 from backstay.connections where peer_id = ${ada.id} for update`;
    const still = [like(first), like(second)];
    const asked = puts();
    for (const one of [...still, ...asked]) Promise.resolve(one).catch(() => {});
    await eventually(10_000, "two wait for the rows", async () => {
      const [row] = await sql`select count(*)::int as count from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`;
      return row!.count === 2 ? true : undefined;
    });
    // The others have come by then.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await meanwhile();
    return asked;
  }) as Promise<Promise<T>[]>;
}

it("many who connect to one account at once share a statement, and each is answered and counted as if he were alone", async () => {
  const [ben, cleo, dan, eve, finn, gil] = people as [Person, Person, Person, Person, Person, Person];
  const sql = database();
  await like(ben, { old: 1 });
  await ada.client.connections.putConnection({ peerId: cleo.id, type: "like" });
  await setBlock(sql, ada.id, dan.id);
  const stream = await standingStream(backstay, ada.token);
  const asked = await allAtOnce(() => [
    like(ben, { again: 2 }),
    like(cleo, { a: "1" }),
    like(dan, { withheld: true }),
    like(eve, { first: 1 }),
    like(eve, {}, "view"),
    like(finn),
    like(gil, { "{,}": 'quoted " \\ {}' }),
  ]);
  const answers = await Promise.all(asked);
  expect(answers.map(({ connected }) => connected)).toEqual([false, true, false, false, false, false, false]);
  expect(answers.map(({ connection }) => connection?.properties)).toEqual([
    { again: 2 },
    { a: "1" },
    { withheld: true },
    { first: 1 },
    {},
    {},
    { "{,}": 'quoted " \\ {}' },
  ]);
  const made = await sql`select xmin::text as statement, count(*)::int as count from backstay.connections
    where peer_id = ${ada.id} and account_id = any(${[cleo, dan, eve, finn, gil].map(({ id }) => id)}::uuid[]) group by 1`;
  expect(made.map(({ count }) => count)).toEqual([6]);
  expect(await countersOf(sql, ada.id)).toMatchObject({ like1: 7, view1: 1, like0: 1 });
  expect(await countersOf(sql, dan.id)).toEqual({ like0: 1 });
  expect(await audit(sql)).toEqual([]);
  const [own] = (await gil.client.connections.listConnections({})).connections;
  expect([own?.properties, own?.createTime]).toEqual([{ "{,}": 'quoted " \\ {}' }, answers[6]!.connection?.createTime]);

  // Those of the two who stood still are of them.
  const told: EventJson[] = [];
  while (told.length < 10) told.push(await stream.event());
  const of = (who: Person) => told.filter(({ actorId }) => actorId === who.id).map(({ type }) => type);
  expect([of(ben), of(dan), of(eve)]).toEqual([["connection.update"], [], ["connection.add", "connection.add"]]);
});

it("one of them who puts several times is counted once", async () => {
  const [ben] = people as [Person];
  const asked = await allAtOnce(() => upTo(5).map((n) => like(ben, { n })));
  await Promise.all(asked);
  expect(await countersOf(database(), ben.id)).toEqual({ like0: 1 });
  expect(await audit(database())).toEqual([]);
});

it("nobody waits for one of them whose account is held by somebody", async () => {
  const [held, ...others] = people as [Person, ...Person[]];
  const sql = database();
  let late: Promise<unknown> | undefined;
  await sql.begin(async (tx) => {
    await tx`select 1 from backstay.accounts where id = ${held.id} for update`;
    const asked = await allAtOnce(() => people.map((one) => like(one)));
    late = asked[0]!;
    late.catch(() => {});
    // The lock ends with the transaction: whoever waited for it would not be answered here.
    await Promise.all(asked.slice(1));
  });
  await late;
  expect(await countersOf(sql, ada.id)).toEqual({ like1: 2 + 1 + others.length });
});

it("one of them whose account goes meanwhile fails alone", async () => {
  const [gone, ...others] = people as [Person, ...Person[]];
  const asked = await allAtOnce(
    () => people.map((one) => like(one)),
    async () => {
      await database()`delete from backstay.accounts where id = ${gone.id}`;
    },
  );
  const reasons = await Promise.all(
    asked.map((one) =>
      one.then(
        () => "",
        ({ reason }) => reason,
      ),
    ),
  );
  expect(reasons).toEqual(["ACCOUNT_NOT_FOUND", ...others.map(() => "")]);
  expect(await countersOf(database(), ada.id)).toEqual({ like1: 9 });
});
