import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { readStream, startNats, type TestNats } from "../../support/nats.js";

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

it("a deleted account's events are gone from NATS too, and nobody else's", async () => {
  const texts = async () =>
    (await readStream(nats.url, "BACKSTAY_EVENTS")).map(({ data }) => data).filter((data) => data.includes("diary"));
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  for (const { client } of [ada, ben]) await client.events.publish({ type: "diary.entry", data: { text: "today" } });
  await expect.poll(texts, { timeout: 5_000 }).toHaveLength(2);
  await ada.client.accounts.deleteAccount({ id: "me" });
  await expect.poll(texts, { timeout: 5_000 }).toEqual([expect.stringContaining(ben.id)]);
});
