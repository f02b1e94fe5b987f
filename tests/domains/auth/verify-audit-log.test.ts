import type { VerifyAuditLogResponse } from "@backstay/client";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type EntryFields, entryHash } from "../../../server/platform/audit/entry-hash.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { eventually, operator, refused } from "../support.js";

const LENGTH = 10;

let backstay: TestBackstay;
let sql: postgres.Sql;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "off" });
  sql = postgres(backstay.databaseUrl, { max: 4, onnotice: () => {} });
  await addEntries(LENGTH);
  await lengthOf();
  await sql`create table saved_log as select * from backstay.audit_log`;
  await sql`create table saved_head as select * from backstay.audit_head`;
});
afterEach(() =>
  tamper(async () => {
    // What a test added may wait for its place still.
    await sql`truncate backstay.audit_inbox`;
    await sql`truncate backstay.audit_log`;
    await sql`delete from backstay.audit_head`;
    await sql`insert into backstay.audit_log select * from saved_log`;
    await sql`insert into backstay.audit_head select * from saved_head`;
  }),
);
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await backstay?.stop();
});

/** Entries that are as good as those of calls, and so old. */
function addEntries(count: number, age = "0 days") {
  return sql`insert into backstay.audit_inbox (at, type, actor_kind, address, request_id, detail)
    select now() - ${age}::interval, 'sign_in.failed', 'anonymous', '127.0.0.1', n::text, '{"method":"secret"}' from generate_series(1, ${count}::int) n`;
}

/** Puts an entry at a place, past the server. */
function putEntry(place: number, age = "0 days") {
  return tamper(
    () => sql`insert into backstay.audit_log (sequence, at, type, actor_kind, address, request_id, detail, hash)
      values (${place}, now() - ${age}::interval, 'secret.changed', 'anonymous', '', '', '{}', sha256('put'))`,
  );
}

/** How many entries there are, once each has its place. */
function lengthOf(): Promise<number> {
  return eventually(5_000, "every entry has its place", async () => {
    const [row] = await sql`select (select count(*)::int from backstay.audit_log) as count,
      exists (select 1 from backstay.audit_inbox) as waits`;
    return row?.waits ? undefined : row?.count;
  });
}

async function check(): Promise<VerifyAuditLogResponse[]> {
  const parts: VerifyAuditLogResponse[] = [];
  for await (const part of operator(backstay).auth.verifyAuditLog()) parts.push(part);
  return parts;
}

const firstListed = async () => (await operator(backstay).auth.listAuditEvents({ pageSize: 1 })).events[0]?.sequence;

/** What the check finds. */
async function faultOf() {
  const { fault, faultSequence } = (await check()).at(-1)!;
  return { fault, at: Number(faultSequence) };
}

/** What a superuser can do past the trigger. */
async function tamper(statements: () => PromiseLike<unknown>) {
  await sql`alter table backstay.audit_log disable trigger all`;
  await statements();
  await sql`alter table backstay.audit_log enable trigger all`;
}

/** Gives entries that were changed the hashes that would be right, from a place on, as whoever has no key can. */
async function rehash(from: number): Promise<Buffer> {
  const [before] = await sql`select hash from backstay.audit_log where sequence = ${from - 1}`;
  let hash: Buffer = before?.hash ?? Buffer.of();
  const entries = await sql<(EntryFields & { sequence: string })[]>`
    select sequence, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at, type, actor_kind as "actorKind",
      replace(actor_id::text, '-', '') as "actorId", replace(account_id::text, '-', '') as "accountId", address,
      request_id as "requestId", detail
    from backstay.audit_log where sequence >= ${from} order by sequence`;
  for (const entry of entries) {
    hash = entryHash(hash, BigInt(entry.sequence), entry);
    await sql`update backstay.audit_log set hash = ${hash} where sequence = ${entry.sequence}`;
  }
  return hash;
}

describe("checking the audit log", () => {
  it("finds it whole, and says how much there was", async () => {
    expect(await lengthOf()).toBe(LENGTH);
    const parts = await check();
    expect(parts.map(({ done }) => done)).toEqual([false, true]);
    expect(parts.at(-1)).toMatchObject({ checkedCount: 10n, lastSequence: 10n, fault: "", faultSequence: 0n });
  });

  it("tells as it goes how far it is", async () => {
    await addEntries(2_400);
    expect(await lengthOf()).toBe(2_410);
    const counts = (await check()).map(({ checkedCount, done }) => [Number(checkedCount), done]);
    expect(counts).toEqual([
      [1_000, false],
      [2_000, false],
      [2_410, false],
      [2_410, true],
    ]);
  });

  it("needs an administrator", async () => {
    const { client } = await backstay.signUp();
    const read = async () => {
      for await (const _ of client.auth.verifyAuditLog());
    };
    expect(await refused(read())).toMatchObject({ reason: "ADMIN_REQUIRED" });
  });
});

describe("whoever can write in the database past the server is found out", () => {
  it.each([
    ["what is told of it", () => sql`update backstay.audit_log set detail = '{"method":"passkey"}' where sequence = 5`],
    [
      "its time, by less than is shown",
      () => sql`update backstay.audit_log set at = at + interval '1 us' where sequence = 5`,
    ],
    ["who did it", () => sql`update backstay.audit_log set actor_kind = 'operator' where sequence = 5`],
    ["whom it was done to", () => sql`update backstay.audit_log set account_id = gen_random_uuid() where sequence = 5`],
    ["its hash", () => sql`update backstay.audit_log set hash = sha256('other') where sequence = 5`],
  ])("when an entry was changed: %s", async (_, change) => {
    await tamper(change);
    expect(await faultOf()).toEqual({ fault: "Entry 5 was changed, or the hash of the one before it.", at: 5 });
  });

  it("when an entry was changed and given the right hash", async () => {
    await tamper(async () => {
      await sql`update backstay.audit_log set detail = '{}' where sequence = 5`;
      const [before] = await sql`select hash from backstay.audit_log where sequence = 6`;
      await rehash(5);
      await sql`update backstay.audit_log set hash = ${before?.hash} where sequence = 6`;
    });
    expect(await faultOf()).toEqual({ fault: "Entry 6 was changed, or the hash of the one before it.", at: 6 });
  });

  it("when an entry in the middle is missing, and when the first is", async () => {
    await tamper(() => sql`delete from backstay.audit_log where sequence = 7`);
    expect(await faultOf()).toEqual({ fault: "Entry 7 is missing.", at: 7 });
    await tamper(() => sql`delete from backstay.audit_log where sequence = 1`);
    expect(await faultOf()).toEqual({ fault: "Entry 1 is missing.", at: 1 });
  });

  it("when two entries have changed places", async () => {
    await tamper(async () => {
      await sql`update backstay.audit_log set sequence = 99 where sequence = 4`;
      await sql`update backstay.audit_log set sequence = 4 where sequence = 5`;
      await sql`update backstay.audit_log set sequence = 5 where sequence = 99`;
    });
    expect(await faultOf()).toEqual({ fault: "Entry 4 was changed, or the hash of the one before it.", at: 4 });
  });

  it("when the tail was cut", async () => {
    await tamper(() => sql`delete from backstay.audit_log where sequence > 8`);
    expect(await faultOf()).toEqual({ fault: "The log ends at entry 8, and went on to 10: its tail was cut.", at: 9 });
  });

  it("when the tail was cut and the head told of it", async () => {
    await tamper(async () => {
      await sql`delete from backstay.audit_log where sequence > 8`;
      await sql`update backstay.audit_head set last_sequence = 8,
        last_hash = (select hash from backstay.audit_log where sequence = 8)`;
    });
    expect(await faultOf()).toMatchObject({
      fault: expect.stringMatching(/^The head was not written by this installation/),
    });
  });

  it("when the log was rewritten from an entry on, with the hashes that belong to it", async () => {
    await tamper(async () => {
      await sql`update backstay.audit_log set detail = '{}' where sequence = 3`;
      await rehash(3);
    });
    const fault = "Entry 10 is not the last one that the server remembers: the log was rewritten.";
    expect(await faultOf()).toEqual({ fault, at: 10 });
  });

  it("when the log was rewritten and the head told of it, also after the server has added to it", async () => {
    await tamper(async () => {
      await sql`update backstay.audit_log set detail = '{}' where sequence = 3`;
      const hash = await rehash(3);
      await sql`update backstay.audit_head set last_hash = ${hash}`;
    });
    const forged = { fault: expect.stringMatching(/^The head was not written by this installation/) };
    expect(await faultOf()).toMatchObject(forged);
    await addEntries(1);
    expect(await lengthOf()).toBe(LENGTH + 1);
    expect(await faultOf()).toMatchObject(forged);
  });

  it("when entries were added past the server", async () => {
    await tamper(async () => {
      await sql`insert into backstay.audit_log select 11, at, type, actor_kind, actor_id, account_id, address, request_id, detail, hash
        from backstay.audit_log where sequence = 10`;
    });
    const fault = "Entry 11 and what follows it were not added by the server.";
    expect(await faultOf()).toEqual({ fault, at: 11 });
  });

  it("when an entry was put before the first one, and it is not listed", async () => {
    const firstListed = async () =>
      (await operator(backstay).auth.listAuditEvents({ pageSize: 1 })).events[0]?.sequence;
    for (const place of [0, -5]) {
      await putEntry(place);
      const fault = `Entry ${place} stands before the log's beginning: the server did not add it.`;
      expect(await faultOf()).toEqual({ fault, at: place });
      expect(await firstListed()).toBe(1n);
    }
  });

  it("when an entry was put back to where retention had taken one, which it does not take again", async () => {
    await tamper(async () => {
      await sql`truncate backstay.audit_log`;
      await sql`update backstay.audit_head set pruned_sequence = 0, last_sequence = 0, first_hash = '', last_hash = '', mac = ''`;
    });
    await addEntries(3, "500 days");
    await addEntries(2);
    expect(await lengthOf()).toBe(5);
    await runJob(backstay, "backstay.audit.prune");
    expect(await firstListed()).toBe(4n);
    expect(await faultOf()).toEqual({ fault: "", at: 0 });
    await putEntry(2, "450 days");
    await runJob(backstay, "backstay.audit.prune");
    const fault = "Entry 2 stands before the log's beginning: the server did not add it.";
    expect(await faultOf()).toEqual({ fault, at: 2 });
    expect(await firstListed()).toBe(4n);
  });

  it("when everything was taken away", async () => {
    await tamper(() => sql`truncate backstay.audit_log`);
    expect(await faultOf()).toEqual({ fault: "The log ends at entry 0, and went on to 10: its tail was cut.", at: 1 });
    await tamper(() => sql`delete from backstay.audit_head`);
    expect(await faultOf()).toEqual({ fault: "The head is gone.", at: 0 });
  });
});
