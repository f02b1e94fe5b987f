import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, openDatabase } from "../support.js";
import { writeRow } from "./house.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

it("an export has each counter once, whole, and nothing that is withheld from the account or by it", async () => {
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  await writeRow(backstay, ada, { name: "like1", value: 40n });
  await writeRow(backstay, ada, { name: "like1", slot: 12, value: 5n });
  await writeRow(backstay, ada, { name: "ping", value: 9_007_199_254_740_991n });
  await openDatabase(backstay)`insert into backstay.withheld_counts (account_id, viewer_id, name, value)
    values (${ada.id}, ${ben.id}, 'ping', 7), (${ben.id}, ${ada.id}, 'ping', 8)`;
  const response = await fetch(`${backstay.url}/v1/accounts/me:export`, {
    headers: { ...bearer(ada.token), accept: "application/x-ndjson" },
  });
  const records = (await response.text()).split("\n").filter((line) => line !== "");
  const ofCounters = records.map((line) => JSON.parse(line)).filter(({ domain }) => domain === "counters");
  expect(ofCounters.map(({ kind, record }) => [kind, record])).toEqual([
    ["counter", { name: "like1", value: "45" }],
    ["counter", { name: "ping", value: "9007199254740991" }],
  ]);
});
