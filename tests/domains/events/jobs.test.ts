import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { openDatabase } from "../support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "events.retention": "1h", "events.retention_per_topic": "3" });
});
afterAll(() => backstay.stop());

const texts = async (topic: string) => {
  const sql = openDatabase(backstay);
  const rows = await sql`select data->>'text' as text from backstay.events where topic = ${topic} order by log_offset`;
  return rows.map(({ text }) => text);
};

/** What somebody wrote to a topic of his own, in the log. */
async function written(texts_: string[]): Promise<string> {
  const { id, client } = await backstay.signUp();
  for (const text of texts_) await client.events.publish({ type: "diary.entry", data: { text } });
  const topic = `account/${id}`;
  await expect.poll(() => texts(topic), { timeout: 5_000 }).toEqual(texts_);
  return topic;
}

it("events are forgotten when they are too old, and when newer ones of the topic are enough", async () => {
  const sql = openDatabase(backstay);
  const aged = await written(["old", "young"]);
  await sql`update backstay.events set created_at = now() - interval '61 minutes'
    where log_offset <= (select log_offset from backstay.events where topic = ${aged} and data->>'text' = 'old')`;
  const many = await written(["1", "2", "3", "4", "5"]);
  await runJob(backstay, "backstay.events.prune");
  expect([await texts(aged), await texts(many)]).toEqual([["young"], ["3", "4", "5"]]);
  // It goes on where it was.
  const more = await written(["1", "2", "3", "4"]);
  await runJob(backstay, "backstay.events.prune");
  expect(await texts(more)).toEqual(["2", "3", "4"]);
});

it("nodes are forgotten that died long ago and hold nobody", async () => {
  const sql = openDatabase(backstay);
  const [gone, holding, young] = [randomUUID(), randomUUID(), randomUUID()];
  const { id } = await backstay.signUp();
  await sql`insert into backstay.nodes (id, seen_at) values (${gone}, now() - interval '31 days'),
    (${holding}, now() - interval '31 days'), (${young}, now() - interval '29 days')`;
  await sql.begin(async (tx) => {
    // A living node would remove it in its grace.
    await tx`select pg_advisory_xact_lock(7305002)`;
    await tx`insert into backstay.presences (topic, account_id, node_id, since) values ('room', ${id}, ${holding}, now())`;
    await tx`select 1`;
  });
  await runJob(backstay, "backstay.presence.prune");
  const left = await sql`select id from backstay.nodes where id in ${sql([gone, young])}`;
  expect(left.map(({ id }) => id)).toEqual([young]);
});
