import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { curl, curlRefused, eventually, openDatabase, operatorToken, upTo } from "../support.js";
import { audit, countersOf, makeAccounts, makeConnections, makeReferences, setBlock } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let cleo: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "database.pool_size": "16" });
});
beforeEach(async () => {
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

const put = (who: Person, peer: Person, type: string) =>
  who.client.connections.putConnection({ peerId: peer.id, type });
const remove = (who: Person) => who.client.accounts.deleteAccount({ id: "me" });
const counters = (who: Person) => countersOf(openDatabase(backstay), who.id);
const differences = () => audit(openDatabase(backstay));

async function rowsOf(id: string): Promise<number> {
  const sql = openDatabase(backstay);
  const [row] = await sql`select count(*)::int from backstay.connections where ${id} in (account_id, peer_id)`;
  return row?.count;
}

describe("with an account go", () => {
  it("its connections and its references, also from the counters of the others", async () => {
    for (const type of ["like", "follow"]) await put(ada, ben, type);
    await put(ben, ada, "like");
    await put(cleo, ada, "like");
    await put(cleo, ben, "like");
    await remove(ada);
    expect(await rowsOf(ada.id)).toBe(0);
    expect(await counters(ben)).toEqual({ like1: 1 });
    expect(await counters(cleo)).toEqual({ like0: 1 });
    expect(await differences()).toEqual([]);
  });

  it("what is withheld from it, and what it has done that is", async () => {
    const sql = openDatabase(backstay);
    await setBlock(sql, ada.id, ben.id);
    await setBlock(sql, cleo.id, ada.id);
    await put(ben, ada, "like");
    await put(ada, cleo, "like");
    await ada.client.counters.incrementCounters({ accountId: cleo.id, deltas: { ping: 3n } });
    expect([await counters(ben), await counters(cleo)]).toEqual([{ like0: 1 }, {}]);
    await remove(ada);
    expect(await rowsOf(ada.id)).toBe(0);
    const [secret] = await sql`select count(*)::int from backstay.withheld_counts
      where ${ada.id} in (account_id, viewer_id)`;
    expect(secret?.count).toBe(0);
    expect([await counters(ben), await counters(cleo)]).toEqual([{}, {}]);
    expect(await differences()).toEqual([]);
  });

  it("what others saw of it: each hears that, and of his own he hears nothing", async () => {
    const sql = openDatabase(backstay);
    await ada.client.connections.putConnection({ peerId: ben.id, type: "like", properties: { note: "hi" } });
    await put(ada, ben, "follow");
    await put(ben, ada, "view");
    await put(cleo, ada, "like");
    await remove(ada);
    const told = await sql`select topic, type, actor_id, data from backstay.events
      where type = 'connection.del' and actor_id = ${ada.id} order by data->>'type'`;
    expect(told).toMatchObject([
      { topic: `account/${ben.id}`, data: { peerId: ada.id, type: "follow", properties: {} } },
      { topic: `account/${ben.id}`, data: { peerId: ada.id, type: "like", properties: { note: "hi" } } },
    ]);
  });

  it("and nobody hears of what he did not see, or does not want to see any more", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like");
    await setBlock(sql, ben.id, ada.id);
    await setBlock(sql, cleo.id, ada.id);
    await put(ada, cleo, "like");
    await remove(ada);
    const [told] = await sql`select count(*)::int from backstay.events
      where type = 'connection.del' and actor_id = ${ada.id}`;
    expect(told?.count).toBe(0);
  });

  it("what is remembered of the counters of the others", async () => {
    const cached = await startBackstay({ "cache.tables": "counters" });
    try {
      const [dan, eve] = [await cached.signUp(), await cached.signUp()];
      await put(dan, eve, "like");
      const like1 = async () => (await eve.client.counters.getCounters({})).counters.like1;
      expect(await like1()).toBe(1n);
      await remove(dan);
      expect(await like1()).toBe(0n);
    } finally {
      await cached.stop();
    }
  });
});

describe("an account of many connections", () => {
  it("is gone at once, and a job erases what its own transaction left", { timeout: 120_000 }, async () => {
    const sql = openDatabase(backstay);
    const others = await makeAccounts(sql, 4_100);
    await makeReferences(sql, ada.id, others, ["like", "follow"]);
    await makeConnections(sql, ada.id, others, ["like"]);
    await put(cleo, ben, "like");
    await remove(ada);
    await eventually(60_000, "the job has erased the rest", async () =>
      (await rowsOf(ada.id)) === 0 ? true : undefined,
    );
    expect(await differences()).toEqual([]);
    const told = () => sql`select data->>'type' as type, count(distinct topic)::int from backstay.events
      where type = 'connection.del' and actor_id = ${ada.id} group by 1`;
    await expect.poll(told, { timeout: 10_000 }).toEqual([{ type: "like", count: 4_100 }]);
    const [jobs] = await sql`select count(*)::int from backstay.jobs where name = 'backstay.connections.erase'
      and args->>'accountId' = ${ada.id}`;
    expect(jobs?.count).toBe(1);
    expect(await counters(ben)).toEqual({ like1: 1 });
  });

  it("is not told of to whoever has blocked it", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like");
    await put(ada, cleo, "like");
    await setBlock(sql, ben.id, ada.id);
    await makeReferences(sql, ada.id, await makeAccounts(sql, 1_100), ["like"]);
    await remove(ada);
    await eventually(60_000, "the job has erased the rest", async () =>
      (await rowsOf(ada.id)) === 0 ? true : undefined,
    );
    const told = () => sql`select topic from backstay.events where type = 'connection.del' and actor_id = ${ada.id}`;
    await expect.poll(told, { timeout: 10_000 }).toEqual([{ topic: `account/${cleo.id}` }]);
    expect(await counters(ben)).toEqual({});
    expect(await differences()).toEqual([]);
  });

  it("is told of to nobody where more than a thousand have blocked it", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like");
    const others = await makeAccounts(sql, 1_100);
    await makeReferences(sql, ada.id, others, ["like"]);
    await sql`insert into backstay.blocks (account_id, peer_id, created_at)
      select id, ${ada.id}, now() from unnest(${others}::uuid[]) as id`;
    await remove(ada);
    await eventually(60_000, "the job has erased the rest", async () =>
      (await rowsOf(ada.id)) === 0 ? true : undefined,
    );
    const told = await sql`select topic from backstay.events where type = 'connection.del' and actor_id = ${ada.id}`;
    expect(told).toEqual([]);
    expect(await counters(ben)).toEqual({});
  });

  it("is nobody's to change meanwhile", async () => {
    const sql = openDatabase(backstay);
    const others = await makeAccounts(sql, 1_100);
    await makeReferences(sql, ada.id, others, ["like"]);
    await put(ben, ada, "follow");
    await sql`update backstay.job_queues set paused_at = now() where name = 'backstay'`;
    try {
      await remove(ada);
      expect(await rowsOf(ada.id)).toBe(1_101);
      const update = ben.client.connections.updateConnection({
        connection: { peerId: ada.id, type: "follow", properties: { close: true } },
      });
      expect(await reasonOf(update)).toBe("CONNECTION_NOT_FOUND");
    } finally {
      await sql`update backstay.job_queues set paused_at = null where name = 'backstay'`;
    }
  });

  it("has no job when its own transaction took all", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like");
    await remove(ada);
    const [jobs] = await sql`select count(*)::int from backstay.jobs where name = 'backstay.connections.erase'
      and args->>'accountId' = ${ada.id}`;
    expect(jobs?.count).toBe(0);
  });
});

describe("the job", () => {
  it("leaves an account that is there alone", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like");
    const request = { name: "backstay.connections.erase", args: { accountId: ada.id } };
    const { job } = await curl<{ job: { id: string } }>(
      backstay,
      "jobs.v1.JobService/SubmitJob",
      request,
      operatorToken(backstay),
    );
    const outcome = async () => {
      const [row] = await sql`select state, last_error from backstay.jobs where id = ${job.id}`;
      return { ...row };
    };
    await expect
      .poll(outcome, { timeout: 5_000 })
      .toEqual({ state: 5, last_error: expect.stringContaining("is there") });
    expect(await rowsOf(ada.id)).toBe(1);
  });

  it.each([{}, { accountId: "me" }, { accountId: 5 }])("does not take %j for an account", async (args) => {
    const job = { name: "backstay.connections.erase", args };
    const refused = await curlRefused(backstay, "jobs.v1.JobService/SubmitJob", job, operatorToken(backstay));
    expect(refused).toMatchObject({ reason: "INVALID_ARGS" });
  });
});

it("the second erasure, a minute later, takes a connection that is left, from the counters too", async () => {
  const sql = openDatabase(backstay);
  await remove(ada);
  await makeReferences(sql, ben.id, [cleo.id], ["like"]);
  // As if it had been written by somebody who did not look; whole, since the first erasure may be under way.
  await sql`with left_over as (
      insert into backstay.connections (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
      values (${cleo.id}, 'view', ${ada.id}, gen_random_uuid(), gen_random_uuid(), '{}', now(), now())
    )
    insert into backstay.counters (account_id, name, value) values (${cleo.id}, 'view0', 1)`;
  await runJob(backstay, "backstay.accounts.erase", { accountId: ada.id });
  expect(await rowsOf(ada.id)).toBe(0);
  expect(await counters(cleo)).toEqual({ like0: 1 });
  expect(await differences()).toEqual([]);
});

describe("while an account is being deleted", () => {
  /** Waits until a statement of the server waits for a lock. */
  async function waits(): Promise<void> {
    const sql = openDatabase(backstay);
    await eventually(5_000, "a statement waits", async () => {
      const rows = await sql`select 1 from pg_stat_activity where datname = current_database()
        and application_name = 'backstay' and wait_event_type = 'Lock'`;
      return rows.length > 0 ? true : undefined;
    });
  }

  it("who was connecting to it, or it to him, comes first, and what he made goes with it", async () => {
    const sql = openDatabase(backstay);
    await put(ben, ada, "like");
    await put(ada, ben, "like");
    let removed: Promise<unknown> | undefined;
    await sql.begin(async (tx) => {
      // As PutConnection does where the counters are there: nothing of it waits for the account's row.
      await tx`insert into backstay.connections
          (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
        select a, 'like', b, gen_random_uuid(), gen_random_uuid(), '{}', now(), now()
        from (values (${cleo.id}::uuid, ${ada.id}::uuid), (${ada.id}, ${cleo.id})) as pair (a, b)`;
      await tx`insert into backstay.counters as c (account_id, name, value)
        select id, name, 1 from unnest(${[cleo.id, ada.id]}::uuid[]) as id, unnest(array['like0', 'like1']) as name
        on conflict (account_id, name, slot) do update set value = c.value + 1`;
      removed = remove(ada);
      removed.catch(() => {});
      await waits();
    });
    await removed;
    expect(await rowsOf(ada.id)).toBe(0);
    expect([await counters(ben), await counters(cleo)]).toEqual([{}, {}]);
    expect(await differences()).toEqual([]);
  });

  it("so does who is blocked by it, whose connection is withheld", async () => {
    const sql = openDatabase(backstay);
    await setBlock(sql, ada.id, ben.id);
    for (const type of ["like", "view"]) await put(ben, ada, type);
    await ben.client.connections.deleteConnections({ peerId: ada.id, type: "view" });
    let removed: Promise<unknown> | undefined;
    await sql.begin(async (tx) => {
      await tx`insert into backstay.connections (account_id, type, peer_id, id, properties, created_at, updated_at)
        values (${ben.id}, 'view', ${ada.id}, gen_random_uuid(), '{}', now(), now())`;
      await tx`update backstay.counters set value = value + 1 where account_id = ${ben.id} and name = 'view0'`;
      await tx`update backstay.withheld_counts set value = value + 1
        where account_id = ${ada.id} and viewer_id = ${ben.id} and name = 'view1'`;
      removed = remove(ada);
      removed.catch(() => {});
      await waits();
    });
    await removed;
    expect(await rowsOf(ada.id)).toBe(0);
    expect(await counters(ben)).toEqual({});
    expect(await differences()).toEqual([]);
  });

  it("who connects to it then finds no account", async () => {
    const sql = openDatabase(backstay);
    let putting: Promise<string> | undefined;
    await sql.begin(async (tx) => {
      await tx`delete from backstay.accounts where id = ${ada.id}`;
      putting = reasonOf(put(ben, ada, "like"));
      await waits();
    });
    expect(await putting).toBe("ACCOUNT_NOT_FOUND");
    expect([await rowsOf(ada.id), await counters(ben)]).toEqual([0, {}]);
  });

  it("who deletes what leads to it takes it off his own counter, and no other", async () => {
    const sql = openDatabase(backstay);
    await put(ben, ada, "like");
    let deleting: Promise<{ deletedCount: number }> | undefined;
    await sql.begin(async (tx) => {
      await tx`delete from backstay.accounts where id = ${ada.id}`;
      deleting = ben.client.connections.deleteConnections({});
      deleting.catch(() => {});
      await waits();
    });
    expect((await deleting)?.deletedCount).toBe(1);
    expect(await counters(ben)).toEqual({});
    expect(await differences()).toEqual([]);
  });

  it.each(upTo(5))("30 connections to and from it leave no row of it, and counters that are exact (%i)", async () => {
    const sql = openDatabase(backstay);
    const others = await Promise.all(upTo(6).map(() => backstay.signUp()));
    // Some have counters of the type and some have none, some are replaced and some are withheld.
    for (const one of others.slice(0, 3)) await put(one, ada, "like");
    await setBlock(sql, ada.id, others[5]!.id);
    await setBlock(sql, others[4]!.id, ada.id);
    const reasons = await Promise.all([
      ...upTo(15).map((n) => reasonOf(put(others[n % 6]!, ada, ["like", "view", `t${n}`][n % 3]!))),
      reasonOf(remove(ada)),
      ...upTo(15).map((n) => reasonOf(put(ada, others[n % 6]!, ["like", "view", `t${n}`][n % 3]!))),
    ]);
    const may = ["", "ACCOUNT_NOT_FOUND", "INVALID_TOKEN", "TOKEN_REVOKED"];
    expect(reasons.filter((reason) => !may.includes(reason))).toEqual([]);
    expect(reasons[15]).toBe("");
    expect(await rowsOf(ada.id)).toBe(0);
    expect(await differences()).toEqual([]);
  });

  it("connections deleted at the same time are counted off once", async () => {
    const others = await Promise.all(upTo(6).map(() => backstay.signUp()));
    for (const one of others) {
      for (const type of ["like", "follow", "view"]) await put(one, ada, type);
      await put(ada, one, "like");
    }
    const reasons = await Promise.all([
      ...others.map((one) => reasonOf(one.client.connections.deleteConnections({}))),
      reasonOf(remove(ada)),
      reasonOf(ada.client.connections.deleteConnections({ type: "like" })),
    ]);
    expect(reasons.filter((reason) => reason !== "" && reason !== "INVALID_TOKEN")).toEqual([]);
    expect(await rowsOf(ada.id)).toBe(0);
    expect(await differences()).toEqual([]);
  });

  it("its peers may go as well: ten who all know each other, at once", async () => {
    const people = await Promise.all(upTo(10).map(() => backstay.signUp()));
    for (const one of people) for (const peer of people) if (one !== peer) await put(one, peer, "like");
    await put(people[0]!, ben, "like");
    const reasons = await Promise.all(people.map((one) => reasonOf(remove(one))));
    expect(reasons).toEqual(people.map(() => ""));
    expect(await counters(ben)).toEqual({});
    expect(await differences()).toEqual([]);
  });
});

/** Why a call was refused; empty when it was not. */
function reasonOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "",
    (error: { reason?: string }) => error.reason ?? String(error),
  );
}
