import { readFileSync } from "node:fs";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { cleanUp, makeHome, startServer } from "../../acceptance/server-process.js";
import { startBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { curl, eventually } from "../support.js";

afterAll(cleanUp);

it("whoever was at a server that is killed is gone, for the others, within 15 s; whoever came over is not", async () => {
  const stays = await startBackstay();
  onTestFinished(() => stays.stop());
  const secret = readFileSync(`${stays.home}/etc/secret`, "utf8").trim();
  const env = { DATABASE_URL: stays.databaseUrl, BACKSTAY_SECRET: secret };
  const dies = await startServer(["serve", "--port", "0", "--home", await makeHome()], { env });
  const [ada, ben] = [await stays.signUp(), await stays.signUp()];
  const accountIds = [ada.id, ben.id].sort();
  const present = async () => {
    type Answer = { presences?: { accountId: string; since: string }[] };
    return (
      (await curl<Answer>(stays, "events.v1.EventService/ListPresence", { accountIds }, ada.token)).presences ?? []
    );
  };

  await standingStream({ ...stays, url: dies.url }, ada.token);
  await standingStream({ ...stays, url: dies.url }, ben.token);
  const before = await eventually(5_000, "both are there", async () => {
    const found = await present();
    return found.length === 2 ? found : undefined;
  });
  await dies.kill9();
  await standingStream(stays, ben.token);
  expect((await present()).map(({ accountId }) => accountId)).toEqual(accountIds);
  const after = await eventually(15_000, "one is gone", async () => {
    const found = await present();
    return found.length === 1 ? found : undefined;
  });
  expect(after).toEqual(before.filter(({ accountId }) => accountId === ben.id));
}, 60_000);
