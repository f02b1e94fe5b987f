import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { readStream, startNats, type TestNats } from "../../support/nats.js";
import { openDatabase } from "../support.js";

let nats: TestNats;
let backstay: TestBackstay;
beforeAll(async () => {
  nats = await startNats();
  backstay = await startBackstay({ "nats.url": nats.url });
});
afterAll(async () => {
  await backstay?.stop();
  await nats?.stop();
});

const texts = async () =>
  (await readStream(nats.url, "BACKSTAY_EVENTS")).map(({ data }) => data).filter((data) => data.includes("diary"));

/** Two people, each of whose diaries has an entry that NATS has too. */
async function twoDiaries(): Promise<Person[]> {
  const before = (await texts()).length;
  const people = [await backstay.signUp(), await backstay.signUp()];
  for (const { client } of people) await client.events.publish({ type: "diary.entry", data: { text: "today" } });
  await expect.poll(async () => (await texts()).length, { timeout: 5_000 }).toBe(before + 2);
  return people;
}

const ofOthers = async (id: string) => (await texts()).filter((data) => !data.includes(id));

it("a deleted account's events are gone from NATS too, and nobody else's", async () => {
  const [ada] = await twoDiaries();
  const others = await ofOthers(ada!.id);
  await ada!.client.accounts.deleteAccount({ id: "me" });
  await expect.poll(texts, { timeout: 5_000 }).toEqual(others);
});

it("when NATS is away, they are gone when it is back", { timeout: 40_000 }, async () => {
  const [ada] = await twoDiaries();
  const others = await ofOthers(ada!.id);
  await nats.kill9();
  await ada!.client.accounts.deleteAccount({ id: "me" });
  const sql = openDatabase(backstay);
  const tried = async () => {
    const [row] = await sql`select last_error from backstay.jobs where args->>'accountId' = ${ada!.id} order by run_at`;
    return row?.last_error;
  };
  await expect.poll(tried, { timeout: 10_000 }).toContain("NATS is away");
  await nats.start();
  await expect.poll(texts, { timeout: 20_000 }).toEqual(others);
});
