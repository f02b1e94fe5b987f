import { randomBytes, randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { JobCtx } from "../../server/context.js";
import { keyStatus, resealSecrets } from "../../server/domains/auth/reseal.js";
import { SEALED } from "../../server/domains/auth/store-seals.js";
import { ANONYMOUS } from "../../server/kernel/caller.js";
import { systemClock } from "../../server/kernel/clock.js";
import { type InstanceKey, instanceKey, type SealUse } from "../../server/kernel/instance-key.js";
import { auditLog } from "../../server/platform/audit/audit-log.js";
import type { Database } from "../../server/platform/db/index.js";
import { checkInstallation } from "../../server/platform/db/installation.js";
import { migrate } from "../../server/platform/db/migrate.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import { createLog } from "../../server/platform/log.js";
import type { TestDatabase } from "../support/postgres.js";
import { SERVERS, type Server } from "./servers.js";

const LIMITS = { poolSize: 4, statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
const BATCH = 500;
const SHARES: [SealUse, table: string, column: string][] = [
  ["signing-secret", "identities", "secret_sealed"],
  ["totp-secret", "totp", "secret_sealed"],
  ["api-key", "api_keys", "key_sealed"],
];
const SILENT = createLog({ level: "silent" });
const [first, second] = [randomBytes(32), randomBytes(32)];
const [old, ring] = [instanceKey(first), instanceKey(second, [first])];

describe.each(SERVERS)("sealing anew over %s", (_, open) => {
  let server: Server;
  let data: TestDatabase;
  let database: Database;
  let sql: postgres.Sql;
  let logged: { facts: Record<string, unknown>; message: string }[];
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    data = await server.createDatabase();
    await migrate({ url: data.url });
    database = postgresDatabase({ target: { url: data.url }, ...LIMITS });
    await database.start();
    sql = postgres(data.url, { max: 2, onnotice: () => {} });
    await checkInstallation({ db: database }, old);
    logged = [];
  });
  afterEach(async () => {
    await database.stop();
    await sql.end({ timeout: 1 });
    await data.drop();
  });

  /** Accounts, each with a login whose secret is sealed; answers their ids. */
  async function makeAccounts(count: number, key = old): Promise<string[]> {
    const rows = Array.from({ length: count }, () => {
      const id = randomUUID().replaceAll("-", "");
      return { id, sealed: key.seal("signing-secret", `secret of ${id}`, id) };
    });
    for (let at = 0; at < count; at += 1_000) {
      const some = rows.slice(at, at + 1_000).map(({ id, sealed }) => ({ id, sealed: sealed.toString("hex") }));
      await sql`with given as (select * from jsonb_to_recordset(${sql.json(some)}) as r (id uuid, sealed text)),
        made as (
          insert into backstay.accounts
            (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
          select id, 'A', 'A', '', '', '', '', '', '{}', now(), now() from given
        )
        insert into backstay.identities (id, account_id, kind, subject, label, secret_phc, secret_sealed, created_at)
        select id, id, 'login', id::text, id::text, 'phc', decode(sealed, 'hex'), now() from given`;
    }
    return rows.map(({ id }) => id);
  }

  /** An authenticator and a key of a program, whose seals are bound to the account and to the key's own id. */
  async function makeOthers(accountId: string): Promise<{ keyId: string }> {
    const keyId = randomUUID().replaceAll("-", "");
    await sql`insert into backstay.totp (account_id, secret_sealed, last_step, created_at)
      values (${accountId}, ${old.seal("totp-secret", "totp", accountId)}, 0, now())`;
    await sql`insert into backstay.api_keys (id, account_id, name, scopes, key_hash, key_sealed, created_at)
      values (${keyId}, ${accountId}, 'k', '{}', ${randomBytes(32)}, ${old.seal("api-key", "key", keyId)}, now())`;
    return { keyId };
  }

  /** Runs the job as a worker does; `beats` is how many times it may say that it lives before it is broken off. */
  async function reseal(key: InstanceKey, beats = Number.POSITIVE_INFINITY): Promise<void> {
    const ending = new AbortController();
    let left = beats;
    const log = (facts: Record<string, unknown>, message: string) => logged.push({ facts, message });
    await resealSecrets.run({}, {
      key,
      clock: systemClock,
      audit: auditOf(key),
      database,
      signal: ending.signal,
      heartbeat: async () => {
        if (left-- <= 0) ending.abort(new Error("killed"));
        ending.signal.throwIfAborted();
      },
      log: { info: log, warn: log, error: log },
    } as unknown as JobCtx);
  }

  const sealedUnder = async (key: InstanceKey) => {
    const rows = await sql`select count(*)::int as count from backstay.identities
      where substr(secret_sealed, 1, 5) = ${key.sealPrefix}`;
    return rows[0]!.count as number;
  };
  const known = async () => {
    const [row] = await sql`select name, key_fingerprint from backstay.installation`;
    return { name: row!.name as string, key: row!.key_fingerprint as string };
  };
  const sealedOf = async (id: string) => {
    const [row] = await sql`select secret_sealed from backstay.identities where id = ${id}`;
    return row!.secret_sealed as Buffer;
  };
  const auditOf = (key: InstanceKey) => auditLog({ database, key, log: SILENT });
  const status = (key = ring) => keyStatus({ key, db: database, audit: auditOf(key) });

  it("leaves nothing under the key before, in any column, and all of it opens under the new one alone", async () => {
    const ids = await makeAccounts(BATCH * 2 + 201);
    const { keyId } = await makeOthers(ids[0]!);
    expect((await status()).left).toEqual([
      { column: "identities.secret_sealed", count: BATCH * 2 + 201 },
      { column: "totp.secret_sealed", count: 1 },
      { column: "api_keys.key_sealed", count: 1 },
    ]);
    expect((await status()).previousMayGo).toBe(false);

    await reseal(ring);
    const alone = instanceKey(second);
    for (const id of [ids[0]!, ids.at(-1)!]) {
      expect(alone.open("signing-secret", await sealedOf(id), id)).toBe(`secret of ${id}`);
    }
    const [totp] = await sql`select secret_sealed from backstay.totp`;
    expect(alone.open("totp-secret", totp!.secret_sealed, ids[0]!)).toBe("totp");
    const [program] = await sql`select key_sealed from backstay.api_keys`;
    expect(alone.open("api-key", program!.key_sealed, keyId)).toBe("key");
    expect(await sealedUnder(ring)).toBe(ids.length);
    const { left, previousMayGo } = await status();
    expect([left.map(({ count }) => count), previousMayGo]).toEqual([[0, 0, 0], true]);
  });

  it("knows every column that is sealed, but for what lives for minutes", async () => {
    const rows = await sql`select table_name, column_name from information_schema.columns
      where table_schema = 'backstay' and column_name like '%sealed' and table_name <> 'auth_challenges'`;
    const there = rows.map((row) => `${row.table_name}.${row.column_name}`);
    expect(SEALED.map(({ name }) => name).sort()).toEqual(there.sort());
    expect(SEALED.map(({ use, name }) => [use, name])).toEqual(
      SHARES.map(([use, table, column]) => [use, `${table}.${column}`]),
    );
  });

  it("tells the database the new key's name when nothing is left, and not before; the installation's own name stays", async () => {
    await makeAccounts(BATCH + 1);
    await expect(reseal(ring, 1)).rejects.toThrow("killed");
    expect(await known()).toEqual({ name: old.fingerprint, key: old.fingerprint });
    // Until then a node that has only the old key may start.
    expect(await checkInstallation({ db: database }, old)).toBe(old.fingerprint);
    await reseal(ring);
    expect(await known()).toEqual({ name: old.fingerprint, key: ring.fingerprint });
    await expect(checkInstallation({ db: database }, old)).rejects.toThrow("another instance key");
    expect(await checkInstallation({ db: database }, instanceKey(second))).toBe(old.fingerprint);
    expect(await checkInstallation({ db: database }, instanceKey(first, [second]))).toBe(old.fingerprint);
  });

  it("goes on where it was killed, batch by batch, and every value opens all the while", async () => {
    const ids = await makeAccounts(BATCH * 2 + 10);
    for (const [beats, done] of [
      [1, BATCH],
      [1, BATCH * 2],
      [2, BATCH * 2 + 10],
    ] as const) {
      await expect(reseal(ring, beats)).rejects.toThrow("killed");
      expect(await sealedUnder(ring)).toBe(done);
      const rows = await sql`select id, secret_sealed from backstay.identities`;
      const plain = rows.map((row) => ring.open("signing-secret", row.secret_sealed, row.id.replaceAll("-", "")));
      expect(plain.filter((text) => text?.startsWith("secret of "))).toHaveLength(ids.length);
    }
    await reseal(ring);
    expect((await status()).previousMayGo).toBe(true);
  });

  it("takes what was sealed in the format that names no key", async () => {
    const id = "0192f0c0ffee7000800000000000abcd";
    const [other] = await makeAccounts(1);
    // Written by the code of that time, under a key of 32 ones.
    const nameless = Buffer.from(
      "0155d5d70f61ab6c65fa81e13ddbc1d145bc6ef2ea14260aa2853cb906d2755189d656fcd6552379816a",
      "hex",
    );
    await sql`insert into backstay.accounts (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select ${id}, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at from backstay.accounts`;
    await sql`update backstay.identities set account_id = ${id}, secret_sealed = ${nameless} where id = ${other!}`;
    await reseal(instanceKey(second, [Buffer.alloc(32, 1)]));
    expect(instanceKey(second).open("signing-secret", await sealedOf(other!), id)).toBe("an old secret");
  });

  it("leaves a row that somebody else is changing, takes it the next time, and says meanwhile that the key is needed", async () => {
    const [busy, idle] = await makeAccounts(2);
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const changed = old.seal("signing-secret", "changed meanwhile", busy!);
    let isHeld = () => {};
    const held = new Promise<void>((resolve) => {
      isHeld = resolve;
    });
    const change = sql.begin(async (tx) => {
      await tx`update backstay.identities set secret_sealed = ${changed} where id = ${busy!}`;
      isHeld();
      await released;
    });
    await held;
    await reseal(ring);
    expect((await sealedOf(idle!)).subarray(0, 5)).toEqual(ring.sealPrefix);
    release();
    await change;
    expect(await sealedOf(busy!)).toEqual(changed);
    expect([await known(), (await status()).previousMayGo]).toEqual([
      { name: old.fingerprint, key: old.fingerprint },
      false,
    ]);
    await reseal(ring);
    expect(ring.open("signing-secret", await sealedOf(busy!), busy!)).toBe("changed meanwhile");
    expect((await status()).previousMayGo).toBe(true);
  });

  it("never writes over a value that is not the one it read", async () => {
    const [id] = await makeAccounts(1);
    const [column] = SEALED;
    const before = await sealedOf(id!);
    const rows = [{ id: id!, before: "00", after: "01" }];
    expect(await column!.replace({ db: database }, { rows })).toEqual([]);
    expect(await sealedOf(id!)).toEqual(before);
  });

  it("names in the log the rows that no key opens, leaves them, and does not wait for them", async () => {
    const [lost, torn, fine] = await makeAccounts(3);
    const stranger = instanceKey(randomBytes(32)).seal("signing-secret", "x", lost!);
    const damaged = Buffer.from(await sealedOf(torn!));
    damaged[damaged.length - 1]! ^= 1;
    await sql`update backstay.identities set secret_sealed = ${stranger} where id = ${lost!}`;
    await sql`update backstay.identities set secret_sealed = ${damaged} where id = ${torn!}`;
    await reseal(ring);
    expect([await sealedOf(lost!), await sealedOf(torn!)]).toEqual([stranger, damaged]);
    expect(instanceKey(second).open("signing-secret", await sealedOf(fine!), fine!)).toBe(`secret of ${fine}`);
    const complaint = logged.find(({ message }) => message.startsWith("no instance key opens"));
    expect(complaint?.facts).toEqual({
      column: "identities.secret_sealed",
      count: 2,
      rows: [lost!, torn!].sort(),
    });
    const { left, previousMayGo } = await status();
    expect([left[0]?.count, previousMayGo]).toEqual([2, true]);
  });

  it("writes into the audit log that the key has changed, once, and keeps the old one until the log's head is under the new", async () => {
    await makeAccounts(1);
    const before = auditOf(old);
    const source = {
      db: database,
      clock: systemClock,
      caller: ANONYMOUS,
      afterCommit: (effect: () => void) => effect(),
    };
    before.start();
    await before.record(source, { type: "sign_in.failed" });
    const listed = () =>
      before
        .list(
          { db: database },
          { type: undefined, accountId: undefined, since: undefined, descending: false, after: undefined, limit: 9 },
        )
        .then((entries) => entries.map(({ type, actorKind, detail }) => [type, actorKind, JSON.parse(detail)]));
    await expect.poll(listed).toHaveLength(1);
    await before.stop();

    await reseal(ring);
    await reseal(ring);
    expect((await status()).left[0]?.count).toBe(0);
    expect((await status()).previousMayGo).toBe(false);
    const after = auditOf(ring);
    after.start();
    await expect.poll(async () => (await status()).previousMayGo).toBe(true);
    await expect.poll(listed).toEqual([
      ["sign_in.failed", "anonymous", {}],
      ["key.rotated", "server", { key: ring.fingerprint }],
    ]);
    await after.stop();
  });

  it("says that the key is needed again when something was sealed under it late", async () => {
    await makeAccounts(1);
    await reseal(ring);
    await makeAccounts(1);
    expect((await status()).previousMayGo).toBe(false);
    await reseal(ring);
    expect((await status()).previousMayGo).toBe(true);
  });

  it("does nothing where there is no previous key, and ends in one of two nodes that do it at once", async () => {
    await makeAccounts(BATCH * 2);
    await reseal(old);
    expect(await sealedUnder(old)).toBe(BATCH * 2);
    await Promise.all([reseal(ring), reseal(ring)]);
    expect(await sealedUnder(ring)).toBe(BATCH * 2);
  });
});
