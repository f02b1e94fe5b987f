import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { standingStream } from "../domains/stream.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";

// Two servers on one database, without a broker: what one does, the other's streams hear of by the event log.

let one: TestBackstay;
let two: TestBackstay;
beforeAll(async () => {
  one = await startBackstay();
  const secret = readFileSync(`${one.home}/etc/secret`, "utf8").trim();
  two = await startBackstay({ "database.url": one.databaseUrl, secret });
});
afterAll(async () => {
  await two?.stop();
  await one?.stop();
});

it("an event of one server reaches the streams of the other within a second", async () => {
  const [ada, ben] = [await one.signUp(), await one.signUp()];
  const stream = await standingStream(two, ben.token);
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "from the other side" });
  expect((await stream.event(1_000)).data.text).toBe("from the other side");
});

it("signing out at one server ends the streams of the other within a second, also a busy one", async () => {
  const [ada, ben] = [await one.signUp(), await one.signUp()];
  const stream = await standingStream(two, ben.token);
  await ben.client.auth.signOut();
  const busy = { on: true };
  const sending = (async () => {
    while (busy.on) await ada.client.messages.sendMessage({ recipientId: ben.id, text: "are you there?" });
  })();
  const { refused } = await stream.end(1_000);
  busy.on = false;
  await sending;
  expect(refused).toMatchObject({ code: "unauthenticated", reason: "TOKEN_REVOKED" });
});
