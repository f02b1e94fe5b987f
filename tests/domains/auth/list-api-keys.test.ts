import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { curl, curlRefused, operatorToken, upTo } from "../support.js";
import { makeKey, signUpAdmin } from "./api-key-house.js";

const LIST = "auth.v1.AuthService/ListApiKeys";

interface Page {
  apiKeys?: { id: string; name: string; accountId: string }[];
  nextPageToken?: string;
}

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  for (const n of upTo(5)) await makeKey(backstay, ada.token, { name: `key ${n}`, scopes: ["*"] });
});
afterAll(() => backstay.stop());

const list = (body: object, token: string) => curl<Page>(backstay, LIST, body, token);

it("shows one's own keys, oldest first, and nothing that proves anything", async () => {
  const { apiKeys = [], nextPageToken } = await list({}, ada.token);
  expect(apiKeys.map(({ name }) => name)).toEqual(upTo(5).map((n) => `key ${n}`));
  expect(nextPageToken ?? "").toBe("");
  expect(JSON.stringify(apiKeys)).not.toContain("bs_ak_");
  expect(Object.keys(apiKeys[0]!).sort()).toEqual(["accountId", "createTime", "id", "name", "scopes"]);
  expect(await list({}, ben.token)).toEqual({});
});

it("shows them by pages, each key once", async () => {
  const names: string[] = [];
  let pageToken = "";
  do {
    const page: Page = await list({ pageSize: 2, pageToken }, ada.token);
    expect(page.apiKeys!.length).toBeLessThanOrEqual(2);
    names.push(...page.apiKeys!.map(({ name }) => name));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  expect(names).toEqual(upTo(5).map((n) => `key ${n}`));
  const { nextPageToken } = await list({ pageSize: 2 }, ada.token);
  const other = await curlRefused(backstay, LIST, { pageSize: 2, pageToken: nextPageToken }, ben.token);
  expect(other.reason).toBe("INVALID_PAGE_TOKEN");
});

it("shows those of others to administrators alone, and those of the installation too", async () => {
  const adminToken = await signUpAdmin(backstay);
  await makeKey(backstay, operatorToken(backstay), { name: "installation", scopes: ["*"] });
  for (const accountId of [ada.id, "-"]) {
    expect((await curlRefused(backstay, LIST, { accountId }, ben.token)).reason).toBe("ADMIN_REQUIRED");
  }
  expect((await list({ accountId: ada.id }, adminToken)).apiKeys).toHaveLength(5);
  for (const [accountId, token] of [
    ["-", adminToken],
    ["-", operatorToken(backstay)],
    ["", operatorToken(backstay)],
  ]) {
    const { apiKeys } = await list({ accountId }, token!);
    expect(apiKeys?.map(({ name }) => name)).toEqual(["installation"]);
  }
});
