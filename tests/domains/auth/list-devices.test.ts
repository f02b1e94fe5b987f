import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken, testClock, upTo } from "../support.js";
import { givenCookie, withCookie } from "./cookies.js";

const LIST = "auth.v1.AuthService/ListDevices";
const DAY = 86_400_000;

interface Device {
  deviceId: string;
  name: string;
  method: string;
  address: string;
  createTime: string;
  lastSeenTime: string;
  expireTime: string;
  current?: boolean;
}

let backstay: TestBackstay;
let ada: Person;
const clock = testClock("2031-02-03T04:05:06Z");
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

async function list(token: string, request: object = {}): Promise<{ devices: Device[]; nextPageToken?: string }> {
  const { devices = [], ...rest } = await curl<{ devices?: Device[] }>(backstay, LIST, request, token);
  return { devices, ...rest };
}

async function signIn(more: object = {}, headers: Record<string, string> = {}) {
  clock.advance(1_000);
  const { login, secret } = ada;
  const reply = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, ...more }, headers);
  return { reply, token: reply.json.tokens.accessToken, id: reply.json.deviceId as string };
}

it("shows where the account is signed in, newest first, and which of them asks", async () => {
  const phone = await signIn({ deviceName: "Ada's phone" });
  const laptop = await signIn({}, { "user-agent": "Browser/1.0 (a laptop)" });
  const { devices } = await list(phone.token);
  expect(devices.map(({ deviceId, name, current }) => [deviceId, name, current ?? false])).toEqual([
    [laptop.id, "Browser/1.0 (a laptop)", false],
    [phone.id, "Ada's phone", true],
    [expect.any(String), expect.any(String), false],
  ]);
  expect(devices[0]).toMatchObject({
    method: "secret",
    address: "127.0.0.1",
    createTime: clock.now().toISOString().replace(".000Z", "Z"),
    lastSeenTime: devices[0]!.createTime,
    expireTime: new Date(clock.now().getTime() + 90 * DAY).toISOString().replace(".000Z", "Z"),
  });
});

it("shows a cookie that was asked for beside a token as a sign-in of its own", async () => {
  const reply = await connectJson(backstay.url, "auth.v1.AuthService/StartSession", {}, bearer(ada.token));
  const answer = await connectJson(backstay.url, LIST, {}, withCookie(givenCookie(reply)));
  expect(answer.json.devices.map((device: Device) => [device.method, device.current ?? false])).toEqual(
    expect.arrayContaining([
      ["session", true],
      ["secret", false],
    ]),
  );
});

it("keeps 256 characters of what a program says of itself", async () => {
  await signIn({}, { "user-agent": "x".repeat(300) });
  expect((await list(ada.token)).devices[0]!.name).toBe("x".repeat(256));
});

it("shows what a program says of itself in one line, without control characters", async () => {
  clock.advance(1_000);
  // Headers are read byte by byte, which fetch writes them as.
  await fetch(`${backstay.url}/backstay.auth.v1.AuthService/SignIn`, {
    method: "POST",
    headers: { "content-type": "application/json", "user-agent": "Browser\u009b31m/1.0\u0085 (a\tphone)" },
    body: JSON.stringify({ login: ada.login, secret: ada.secret }),
  });
  expect((await list(ada.token)).devices[0]!.name).toBe("Browser31m/1.0 (aphone)");
});

describe("a sign-in that is over is not shown", () => {
  it("when it was signed out", async () => {
    const phone = await signIn();
    await curl(backstay, "auth.v1.AuthService/SignOut", {}, phone.token);
    expect((await list(ada.token)).devices.map(({ deviceId }) => deviceId)).not.toContain(phone.id);
  });

  it("when none of its tokens is good for anything any more", async () => {
    const phone = await signIn();
    clock.advance(14 * DAY);
    const laptop = await signIn();
    const { devices } = await list(laptop.token);
    expect(devices.map(({ deviceId }) => deviceId)).toEqual([laptop.id]);
    expect(devices).not.toContainEqual(expect.objectContaining({ deviceId: phone.id }));
  });
});

describe("when it was last seen", () => {
  const seen = async (id: string, token: string) =>
    (await list(token)).devices.find(({ deviceId }) => deviceId === id)!.lastSeenTime;
  const soon = (time: string, id: string, token: string) =>
    eventually(10_000, `seen at ${time}`, async () => ((await seen(id, token)) === time ? true : undefined));
  const now = () => clock.now().toISOString().replace(".000Z", "Z");

  it("is noted by a call, once in five minutes", async () => {
    const phone = await signIn();
    const first = now();
    clock.advance(4 * 60_000);
    await curl(backstay, "auth.v1.AuthService/GetCurrent", {}, phone.token);
    expect(await seen(phone.id, phone.token)).toBe(first);
    clock.advance(60_000);
    const fifth = now();
    await soon(fifth, phone.id, phone.token);
    clock.advance(60_000);
    await curl(backstay, "auth.v1.AuthService/GetCurrent", {}, phone.token);
    expect(await seen(phone.id, phone.token)).toBe(fifth);
  });

  it("is noted by a refresh", async () => {
    const phone = await signIn();
    clock.advance(DAY);
    const watcher = await signIn();
    const { refreshToken } = phone.reply.json.tokens;
    await curl(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
    await soon(now(), phone.id, watcher.token);
  });

  it("delays no call, and fails none, when it cannot be noted", async () => {
    const phone = await signIn();
    clock.advance(10 * 60_000);
    await openDatabase(backstay).begin(async (tx) => {
      await tx`select 1 from backstay.devices where id = ${phone.id} for update`;
      await curl(backstay, "auth.v1.AuthService/GetCurrent", {}, phone.token);
    });
  });
});

it("comes in pages, each sign-in once, also those of one moment", async () => {
  const { login, secret } = ada;
  await Promise.all(upTo(7).map(() => curl(backstay, "auth.v1.AuthService/SignIn", { login, secret })));
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await list(ada.token, { pageSize: 3, pageToken });
    found.push(...page.devices.map(({ deviceId }) => deviceId));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  expect(found).toHaveLength(8);
  expect(found).toEqual((await list(ada.token)).devices.map(({ deviceId }) => deviceId));
});

it("takes no page of another account's", async () => {
  await signIn();
  const { nextPageToken: pageToken } = await list(ada.token, { pageSize: 1 });
  const ben = await backstay.signUp();
  expect(await curlRefused(backstay, LIST, { pageToken }, ben.token)).toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
});

it("is of accounts only", async () => {
  expect(await curlRefused(backstay, LIST, {})).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await curlRefused(backstay, LIST, {}, operatorToken(backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});
