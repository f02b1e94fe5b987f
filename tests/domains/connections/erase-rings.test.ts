import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { eventually, openDatabase, upTo } from "../support.js";
import { type Actor, makeActor, perform } from "./model-client.js";
import type { Command } from "./model-commands.js";
import { audit, countersOf, makeAccounts, setBlock } from "./support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "database.pool_size": "16", "auth.anonymous": "on", "limits.rate": "off" });
});
afterAll(() => backstay.stop());

const like = (who: Person, peer: Person) => who.client.connections.putConnection({ peerId: peer.id, type: "like" });
const remove = (who: Person) => who.client.accounts.deleteAccount({ id: "me" });

/** Waits until so many statements of the server wait for a lock. */
async function waits(count: number): Promise<void> {
  const sql = openDatabase(backstay);
  await eventually(5_000, `${count} statements wait`, async () => {
    const rows = await sql`select 1 from pg_stat_activity where datname = current_database()
      and application_name = 'backstay' and wait_event_type = 'Lock'`;
    return rows.length >= count ? true : undefined;
  });
}

it("a connection that is shown to the peer just then is taken off the counter that this makes", async () => {
  const sql = openDatabase(backstay);
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  await setBlock(sql, ben.id, ada.id);
  await like(ada, ben);
  await setBlock(sql, ben.id, ada.id, false);
  expect(await countersOf(sql, ben.id)).toEqual({});

  const calls: Promise<unknown>[] = [];
  await sql.begin(async (tx) => {
    await tx`select from backstay.connections where account_id = ${ada.id} for update`;
    calls.push(like(ada, ben));
    await waits(1);
    calls.push(remove(ada));
    await waits(2);
  });
  await Promise.all(calls);
  expect(await countersOf(sql, ben.id)).toEqual({});
  expect(await audit(sql)).toEqual([]);
});

it("who holds what the deletion waits for, and waits for what it holds, goes on", async () => {
  const sql = openDatabase(backstay);
  const [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  await like(ben, ada);
  await like(cleo, ada);
  const hold = (tx: typeof sql, who: Person, name: string) =>
    tx`select from backstay.counters where account_id = ${who.id} and name = ${name} for update`;

  let removed: Promise<unknown> | undefined;
  let waited: Promise<unknown> | undefined;
  await sql.begin(async (bystander) => {
    await hold(bystander as unknown as typeof sql, ada, "like1");
    await sql.begin(async (other) => {
      // It has Ben's counter when it waits for Cleo's: counters are taken by the ids of their accounts.
      await hold(other as unknown as typeof sql, cleo, "like0");
      removed = remove(ada);
      removed.catch(() => {});
      await waits(1);
      waited = hold(bystander as unknown as typeof sql, ben, "like0");
      waited.catch(() => {});
      // So the bystander is the first to have waited for a second, which is when the database ends one of a ring.
      await new Promise((resolve) => setTimeout(resolve, 600));
    });
    await waited;
  });
  await removed;
  expect(await countersOf(sql, ben.id)).toEqual({});
  expect(await audit(sql)).toEqual([]);
});

it("eight of whom 3,000 think the same in another order may go at once", { timeout: 120_000 }, async () => {
  const sql = openDatabase(backstay);
  const celebrities = await Promise.all(upTo(8).map(() => backstay.signUp()));
  const fans = await makeAccounts(sql, 3_000);
  for (const [n, { id }] of celebrities.entries()) {
    const order = n % 2 === 0 ? fans : fans.toReversed();
    await sql`insert into backstay.connections (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
      select fan, 'like', ${id}, gen_random_uuid(), gen_random_uuid(), '{}', at, at
      from unnest(${order}::uuid[]) with ordinality as one (fan, place), lateral (select now() + place * interval '1 ms') made (at)`;
    await sql`insert into backstay.counters (account_id, name, value) values (${id}, 'like1', 3000)`;
  }
  await sql`insert into backstay.counters (account_id, name, value)
    select fan, 'like0', 8 from unnest(${fans}::uuid[]) as fan`;
  expect(await audit(sql)).toEqual([]);

  const reasons = await Promise.all(celebrities.map((one) => remove(one).then(() => "", String)));
  expect(reasons).toEqual(celebrities.map(() => ""));
  await eventually(60_000, "the jobs have erased all of it", async () => {
    const [left] = await sql`select count(*)::int from backstay.connections where account_id = any(${fans}::uuid[])`;
    return left?.count === 0 ? true : undefined;
  });
  expect(await audit(sql)).toEqual([]);
});

const WORKERS = 16;
const CALLS = 1_500;
const PEOPLE = 10;

it("nobody is refused because others go, and counters stay exact", { timeout: 60_000 }, async () => {
  const sql = openDatabase(backstay);
  const people = await Promise.all(upTo(PEOPLE).map(() => makeActor(backstay.url)));
  const gone = new Set<Actor>();
  const refusals: string[] = [];
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const next = (by: string): Command => {
    const [to, type] = [people[random(PEOPLE)]!.id, random(2) === 0 ? "like" : "follow"];
    const verb = random(100);
    if (verb < 40) return { verb: "put", by, to, type, properties: {}, createOnly: false };
    if (verb < 55) return { verb: "delete", by, to: random(2) === 0 ? to : "", type: "" };
    if (verb < 73) return { verb: "block", by, to };
    if (verb < 97) return { verb: "unblock", by, to };
    return { verb: "deleteAccount", by };
  };

  let calls = 0;
  const work = async () => {
    while (calls++ < CALLS) {
      const place = random(PEOPLE);
      const actor = people[place]!;
      const command = next(actor.id);
      if (command.verb === "deleteAccount") gone.add(actor);
      const answer = await perform(backstay.url, actor, command);
      if ("refused" in answer) {
        const may = ["CONNECTION_TO_SELF", "ACCOUNT_NOT_FOUND", ...(gone.has(actor) ? ["INVALID_TOKEN"] : [])];
        if (!may.includes(answer.refused)) refusals.push(`${command.verb}: ${answer.refused}`);
      }
      if (command.verb === "deleteAccount" && people[place] === actor) people[place] = await makeActor(backstay.url);
    }
  };
  await Promise.all(upTo(WORKERS).map(work));
  expect(refusals).toEqual([]);
  expect(gone.size).toBeGreaterThan(PEOPLE);
  expect(await audit(sql)).toEqual([]);
});
