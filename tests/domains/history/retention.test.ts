import { expect, it, onTestFinished } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { openDatabase } from "../support.js";

async function started(settings: Parameters<typeof startBackstay>[0]): Promise<TestBackstay> {
  const backstay = await startBackstay(settings);
  onTestFinished(() => backstay.stop());
  return backstay;
}

/** Entries of an account, the first `minutes` old and each a second younger. */
async function fill(backstay: TestBackstay, accountId: string, type: string, count: number, minutes = 1) {
  await openDatabase(backstay)`insert into backstay.history (id, account_id, type, created_at)
    select gen_random_uuid(), ${accountId}, ${type} || n,
      now() - ${minutes} * interval '1 minute' + n * interval '1 millisecond'
    from generate_series(1, ${count}::int) as n`;
}

const prune = (backstay: TestBackstay) => runJob(backstay, "backstay.history.prune");

async function kept(backstay: TestBackstay, accountId: string): Promise<string[]> {
  const rows = await openDatabase(backstay)`select type from backstay.history where account_id = ${accountId}
    order by created_at, id`;
  return rows.map(({ type }) => type);
}

it("entries are kept for good when nothing is said", async () => {
  const backstay = await started({});
  const { id } = await backstay.signUp();
  await fill(backstay, id, "old ", 3, 60 * 24 * 3_650);
  await prune(backstay);
  expect(await kept(backstay, id)).toHaveLength(3);
});

it("entries are forgotten when they are older than they are kept, however many there are", async () => {
  const backstay = await started({ "history.retention": "1h" });
  const { id } = await backstay.signUp();
  await fill(backstay, id, "old ", 12_000, 61);
  await fill(backstay, id, "young ", 2, 59);
  await prune(backstay);
  expect(await kept(backstay, id)).toEqual(["young 1", "young 2"]);
});

it("entries of an account beyond the newest few are forgotten, those from before the server's start too", async () => {
  const backstay = await started({ "history.per_account": "3" });
  const [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  await fill(backstay, ada.id, "old ", 12_000, 60 * 24);
  await fill(backstay, ben.id, "few ", 3, 60 * 24);
  await prune(backstay);
  expect(await kept(backstay, ada.id)).toEqual(["old 11998", "old 11999", "old 12000"]);
  expect(await kept(backstay, ben.id)).toEqual(["few 1", "few 2", "few 3"]);
  // Then it goes on with those who have written since.
  await ben.client.history.appendHistory({ type: "new" });
  for (const type of ["1", "2", "3", "4", "5"]) await cleo.client.history.appendHistory({ type });
  await prune(backstay);
  expect(await kept(backstay, ben.id)).toEqual(["few 2", "few 3", "new"]);
  expect(await kept(backstay, cleo.id)).toEqual(["3", "4", "5"]);
  await cleo.client.history.appendHistory({ type: "6" });
  await prune(backstay);
  expect(await kept(backstay, cleo.id)).toEqual(["4", "5", "6"]);
});

it("of entries of one moment those stay that a list shows last", async () => {
  const backstay = await started({ "history.per_account": "10" });
  const { id, client } = await backstay.signUp();
  const sql = openDatabase(backstay);
  await sql`insert into backstay.history (id, account_id, type, created_at)
    select gen_random_uuid(), ${id}, n, date_trunc('milliseconds', now()) from generate_series(1, 100) as n`;
  const { entries } = await client.history.listHistory({ descending: true, pageSize: 10 });
  await prune(backstay);
  expect(await kept(backstay, id)).toEqual(entries.map(({ type }) => type).reverse());
});

it("an account that somebody holds is passed over, and the others are not kept waiting", async () => {
  const backstay = await started({ "history.per_account": "1", "history.retention": "1h" });
  const [held, free] = [await backstay.signUp(), await backstay.signUp()];
  for (const { id } of [held, free]) {
    await fill(backstay, id, "old ", 2, 120);
    await fill(backstay, id, "young ", 2);
  }
  await openDatabase(backstay).begin(async (tx) => {
    await tx`select 1 from backstay.history where account_id = ${held.id} for update`;
    await prune(backstay);
    expect(await kept(backstay, free.id)).toEqual(["young 2"]);
    expect(await kept(backstay, held.id)).toHaveLength(4);
  });
  await prune(backstay);
  expect(await kept(backstay, held.id)).toEqual(["young 2"]);
});

it("more accounts than one statement looks at are all looked at", async () => {
  const backstay = await started({ "history.per_account": "1" });
  const sql = openDatabase(backstay);
  const count = 2_001;
  await sql`with made as (
      insert into backstay.accounts (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select gen_random_uuid(), 'A', 'A', '', '', '', '', '', '{}', now(), now() from generate_series(1, ${count}::int)
      returning id
    )
    insert into backstay.history (id, account_id, type, created_at)
    select gen_random_uuid(), made.id, n::text, now() + n * interval '1 millisecond' from made, generate_series(1, 2) as n`;
  await prune(backstay);
  expect(await sql`select type, count(*)::int from backstay.history group by type`).toEqual([{ type: "2", count }]);
});
