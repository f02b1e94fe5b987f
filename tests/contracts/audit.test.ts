import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ANONYMOUS } from "../../server/kernel/caller.js";
import { type InstanceKey, instanceKey } from "../../server/kernel/instance-key.js";
import type { AuditProgress } from "../../server/platform/audit/audit.js";
import { auditLog } from "../../server/platform/audit/audit-log.js";
import type { Db } from "../../server/platform/db/index.js";
import { migrate } from "../../server/platform/db/migrate.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import type { Log } from "../../server/platform/log.js";
import { eventually, upTo } from "../domains/support.js";
import { SERVERS, type Server } from "./servers.js";

const OLD = Buffer.alloc(32, 1);
const NEW = Buffer.alloc(32, 2);
const LIMITS = { statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
const DAY = 86_400_000;

describe.each(SERVERS)("the audit log of %s", (_, open) => {
  let server: Server;
  let url: string;
  let sql: postgres.Sql;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    const made = await server.createDatabase();
    url = made.url;
    await migrate({ url });
    sql = postgres(url, { max: 4, onnotice: () => {}, types: { bigint: postgres.BigInt } });
    onTestFinished(async () => {
      await sql.end({ timeout: 1 });
      await made.drop();
    });
  });

  /** A node of the installation, with what it complained of; it chains from `start` on. */
  async function openNode(key: InstanceKey = instanceKey(OLD)) {
    const complaints: string[] = [];
    const complain = (_: object, message: string) => void complaints.push(message);
    const log = { error: complain, warn: complain, info: () => {}, debug: () => {} } as unknown as Log;
    const database = postgresDatabase({ target: { url }, poolSize: 4, ...LIMITS });
    await database.start();
    const audit = auditLog({ database, key, log });
    onTestFinished(async () => {
      await audit.stop();
      await database.stop();
    });
    const record = (requestId: string, at = new Date(), db: Db = database) => {
      const source = {
        db,
        clock: { now: () => at },
        caller: ANONYMOUS,
        requestId,
        afterCommit: (then: () => void) => then(),
      };
      return audit.record(source, { type: "sign_in.failed", detail: { method: "secret" } });
    };
    const verify = async () => {
      let last: AuditProgress = { checked: 0, sequence: 0n };
      for await (const progress of audit.verify({ db: database })) last = progress;
      return last;
    };
    return { database, audit, record, verify, complaints };
  }

  /** The request ids of the log, in its order, once it has as many entries. */
  async function logged(count: number): Promise<string[]> {
    return eventually(10_000, `${count} entries have their places`, async () => {
      const rows = await sql<{ sequence: bigint; request_id: string }[]>`
        select sequence, request_id from backstay.audit_log order by sequence`;
      const [waiting] = await sql`select count(*)::int as count from backstay.audit_inbox`;
      if (rows.length < count || waiting?.count > 0) return undefined;
      const [first] = rows;
      expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, n) => (first?.sequence ?? 0n) + BigInt(n)));
      return rows.map((row) => row.request_id);
    });
  }

  it("gives each entry one place, without gaps, whichever node is at it, and none to what was rolled back", async () => {
    const nodes = [await openNode(), await openNode()];
    for (const { audit } of nodes) audit.start();
    await Promise.all(
      upTo(400).map(async (n) => {
        const { database, record } = nodes[n % 2]!;
        if (n % 4 > 1) return record(`single ${n}`);
        const done = database.transaction(async (db) => {
          await record(`together ${n}`, new Date(), db);
          if (n % 8 === 0) throw new Error("undone");
        });
        await done.catch(() => {});
      }),
    );
    const ids = await logged(350);
    expect(ids).toHaveLength(350);
    expect(new Set(ids).size).toBe(350);
    for (const { verify, complaints } of nodes) {
      expect(await verify()).toEqual({ checked: 350, sequence: 350n });
      expect(complaints).toEqual([]);
    }
  });

  it("puts an entry that was committed later behind others, although it was written before them", async () => {
    const { audit, database, record } = await openNode();
    audit.start();
    await database.transaction(async (db) => {
      await record("first written", new Date(), db);
      await record("written meanwhile");
      expect(await logged(1)).toEqual(["written meanwhile"]);
    });
    expect(await logged(2)).toEqual(["written meanwhile", "first written"]);
  });

  it("loses and doubles nothing when a node is cut off between taking entries and committing their places", async () => {
    const nodes = [await openNode(), await openNode()];
    for (const n of upTo(20)) await nodes[0]!.record(`entry ${n}`);
    const [hold] = await Promise.all([sql.reserve()]);
    await hold`begin`;
    await hold`lock table backstay.audit_log in share mode`;
    for (const { audit } of nodes) audit.start();
    const killed = new Set<number>();
    await eventually(10_000, "two that wait to add entries are cut off", async () => {
      const rows = await sql<{ pid: number }[]>`select pid, pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%audit_log%'`;
      for (const { pid } of rows) killed.add(pid);
      return killed.size >= 2 || undefined;
    });
    await hold`rollback`;
    hold.release();
    expect(await logged(20)).toEqual(upTo(20).map((n) => `entry ${n}`));
    expect(await nodes[0]!.verify()).toEqual({ checked: 20, sequence: 20n });
  });

  it("finds what waited while no node ran", async () => {
    const before = await openNode();
    await before.record("waits");
    const { audit } = await openNode();
    audit.start();
    expect(await logged(1)).toEqual(["waits"]);
  });

  it("lets nobody change, delete or empty it", async () => {
    const { audit, record } = await openNode();
    audit.start();
    await record("stays");
    await logged(1);
    for (const statement of [
      "update backstay.audit_log set detail = '{}'",
      "delete from backstay.audit_log",
      "truncate backstay.audit_log",
      "begin; select set_config('backstay.audit_retention', 'on', true); update backstay.audit_log set detail = '{}'",
      "begin; select set_config('backstay.audit_retention', 'on', true); truncate backstay.audit_log",
    ]) {
      const connection = await sql.reserve();
      await expect(connection.unsafe(statement)).rejects.toThrow("the audit log is only ever added to");
      await connection`rollback`;
      connection.release();
    }
    expect(await logged(1)).toEqual(["stays"]);
  });

  it("passes to the next instance key by itself, so that the one before may go", async () => {
    const before = await openNode(instanceKey(OLD));
    before.audit.start();
    await before.record("under the old one");
    await logged(1);
    await before.audit.stop();
    const alone = await openNode(instanceKey(NEW));
    expect((await alone.verify()).fault?.says).toContain("not written by this installation");
    const both = await openNode(instanceKey(NEW, [OLD]));
    expect((await both.verify()).fault).toBeUndefined();
    both.audit.start();
    await eventually(
      5_000,
      "the head is signed anew",
      async () => (await alone.verify()).fault === undefined || undefined,
    );
  });

  it("goes on after a forged head, says so once, and is never found whole again", async () => {
    const { audit, record, verify, complaints } = await openNode();
    audit.start();
    await record("one");
    await logged(1);
    const forged = Buffer.alloc(32, 7);
    await sql`update backstay.audit_head set mac = ${forged}`;
    for (const text of ["two", "three"]) await record(text);
    expect(await logged(3)).toEqual(["one", "two", "three"]);
    await expect.poll(async () => (await verify()).fault?.says).toContain("not written by this installation");
    expect(complaints).toEqual(["the audit log's head was not written by this installation"]);
  });

  it("forgets only what the beginning has of old entries, and what is left is found whole", async () => {
    const { audit, record, verify } = await openNode();
    audit.start();
    const now = Date.now();
    const ages = [9, 8, 7, 1, 8, 0];
    for (const [n, age] of ages.entries()) {
      await record(`entry ${n + 1}`, new Date(now - age * DAY));
      await logged(n + 1);
    }
    const { signal } = new AbortController();
    await audit.prune(new Date(now - 5 * DAY), signal);
    expect(await logged(3)).toEqual(["entry 4", "entry 5", "entry 6"]);
    expect(await verify()).toEqual({ checked: 3, sequence: 6n });
    await record("entry 7");
    await logged(4);
    expect(await verify()).toEqual({ checked: 4, sequence: 7n });
    await audit.prune(new Date(now + DAY), signal);
    expect(await verify()).toEqual({ checked: 0, sequence: 7n });
    await record("entry 8");
    expect(await logged(1)).toEqual(["entry 8"]);
    expect(await verify()).toEqual({ checked: 1, sequence: 8n });
  });

  it("takes what retention does during a check for no fault", async () => {
    const { audit, record, verify, database } = await openNode();
    await record("old", new Date(0));
    // Enough that a check reads it in pages.
    await database.run(
      `insert into backstay.audit_inbox (at, type, actor_kind, address, request_id, detail)
        select now(), 'sign_in.failed', 'anonymous', '', n::text, '{}' from generate_series(1, 2999) as n`,
      [],
    );
    audit.start();
    await logged(3_000);
    const progress: AuditProgress[] = [];
    for await (const step of audit.verify({ db: database })) {
      progress.push(step);
      if (progress.length === 1) await audit.prune(new Date(Date.now() + DAY), new AbortController().signal);
    }
    expect(progress.map(({ checked, sequence, fault }) => [checked, sequence, fault])).toEqual([
      [1_000, 1_000n, undefined],
      [1_000, 3_000n, undefined],
    ]);
    expect(await verify()).toEqual({ checked: 0, sequence: 3_000n });
  });
});
