import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Overrides } from "../../../server/app.js";
import type { SettingName } from "../../../server/config.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { auditOf } from "../audit.js";
import { standingStream } from "../stream.js";
import { curl, curlRefused, flipped, openDatabase, testClock, upTo } from "../support.js";

interface Tokens {
  accessToken: string;
  accessExpireTime: string;
  refreshToken: string;
  refreshExpireTime: string;
}

const DAY = 86_400_000;
const unauthenticated = (reason: string) => ({ code: "unauthenticated", reason, fields: [] });

let backstay: TestBackstay;
let ada: Person;
let tokens: Tokens;
let family: string;
const clock = testClock("2031-01-01T00:00:00Z");
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  ada = await backstay.signUp();
});
beforeEach(async () => {
  ({ tokens, family } = await signIn());
});
afterAll(() => backstay.stop());

async function signIn(): Promise<{ tokens: Tokens; family: string }> {
  const { login, secret } = ada;
  const answer = await curl<{ tokens: Tokens; deviceId: string }>(backstay, "auth.v1.AuthService/SignIn", {
    login,
    secret,
  });
  return { tokens: answer.tokens, family: answer.deviceId };
}

const refresh = (refreshToken: string, at = backstay) =>
  curl<{ tokens: Tokens }>(at, "auth.v1.AuthService/Refresh", { refreshToken }).then((answer) => answer.tokens);
/** Another node of the same installation. */
async function otherNode(settings: Partial<Record<SettingName, string>>, overrides: Overrides = { clock }) {
  const secret = readFileSync(join(backstay.home, "etc", "secret"), "utf8").trim();
  const node = await startBackstay({ "database.url": backstay.databaseUrl, secret, ...settings }, { overrides });
  onTestFinished(() => node.stop());
  return node;
}

/** Lets the sign-in's tokens have been exchanged so much longer ago: that is told by the clock of the database. */
const exchangedEarlier = (ms: number) =>
  openDatabase(backstay)`update backstay.grants set rotated_at = rotated_at - make_interval(secs => ${ms / 1_000})
    where family_id = ${family}`;
const refreshRefused = (refreshToken: string) => curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
const current = (token: string) =>
  curl<{ account: { id: string } }>(backstay, "auth.v1.AuthService/GetCurrent", {}, token);
const currentRefused = (token: string) => curlRefused(backstay, "auth.v1.AuthService/GetCurrent", {}, token);

describe("a refresh token", () => {
  it("buys another pair, which works and is refreshed in its turn", async () => {
    let held = tokens;
    for (const _ of upTo(3)) {
      const next = await refresh(held.refreshToken);
      expect(next.accessToken).toMatch(/^bs_at_[A-Za-z0-9_-]{43}$/);
      expect(next.refreshToken).toMatch(/^bs_rt_[A-Za-z0-9_-]{43}$/);
      expect(next.refreshToken).not.toBe(held.refreshToken);
      expect((await current(next.accessToken)).account.id).toBe(ada.id);
      held = next;
    }
  });

  it("leaves the access token before it alone until that ends by itself", async () => {
    await refresh(tokens.refreshToken);
    expect((await current(tokens.accessToken)).account.id).toBe(ada.id);
  });

  it("prolongs the sign-in by 14 days from now", async () => {
    clock.advance(3 * DAY);
    const next = await refresh(tokens.refreshToken);
    expect(Date.parse(next.accessExpireTime)).toBe(clock.now().getTime() + 15 * 60_000);
    expect(Date.parse(next.refreshExpireTime)).toBe(clock.now().getTime() + 14 * DAY);
  });

  it("works when the access token has long expired", async () => {
    clock.advance(DAY);
    expect(await currentRefused(tokens.accessToken)).toEqual(unauthenticated("TOKEN_EXPIRED"));
    const next = await refresh(tokens.refreshToken);
    expect((await current(next.accessToken)).account.id).toBe(ada.id);
  });
});

describe("within 10 s a used refresh token", () => {
  it("answers the same next one, with an access token that works", async () => {
    const first = await refresh(tokens.refreshToken);
    await exchangedEarlier(8_000);
    const again = await refresh(tokens.refreshToken);
    expect(again.refreshToken).toBe(first.refreshToken);
    expect(again.refreshExpireTime).toBe(first.refreshExpireTime);
    expect((await current(again.accessToken)).account.id).toBe(ada.id);
    expect((await current(first.accessToken)).account.id).toBe(ada.id);
  });

  it("case 35: lets two tabs refresh at once: both go on, with one living refresh token between them", async () => {
    const answers = await Promise.all(upTo(10).map(() => refresh(tokens.refreshToken)));
    expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    for (const { accessToken } of answers) expect((await current(accessToken)).account.id).toBe(ada.id);
    const sql = openDatabase(backstay);
    const living = await sql`select id from backstay.grants
      where family_id = ${family} and kind = 'refresh' and rotated_at is null`;
    expect(living).toHaveLength(1);
  });

  it("lets a thousand refresh at once: nobody is signed out, and what each got is good", async () => {
    // How long that takes is this machine's to say.
    const patient = await otherNode({ "auth.refresh_grace": "10m" });
    const answers = await Promise.all(upTo(1_000).map(() => refresh(tokens.refreshToken, patient)));
    expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    expect(new Set(answers.map(({ accessToken }) => accessToken)).size).toBe(1_000);
    for (const { accessToken } of answers) expect((await current(accessToken)).account.id).toBe(ada.id);
    const next = await refresh(answers[0]!.refreshToken);
    expect((await current(next.accessToken)).account.id).toBe(ada.id);
    const sql = openDatabase(backstay);
    const living = await sql`select id from backstay.grants
      where family_id = ${family} and kind = 'refresh' and rotated_at is null`;
    expect(living).toHaveLength(1);
  });

  it("answers the same at a node whose clock is ahead, and nobody is signed out", async () => {
    const ahead = await otherNode({}, { clock: { now: () => new Date(clock.now().getTime() + 15_000) } });
    const first = await refresh(tokens.refreshToken);
    expect((await refresh(tokens.refreshToken, ahead)).refreshToken).toBe(first.refreshToken);
    expect((await current(first.accessToken)).account.id).toBe(ada.id);
  });

  it("still answers when its child was used meanwhile", async () => {
    const child = await refresh(tokens.refreshToken);
    const grandchild = await refresh(child.refreshToken);
    // The child is spent: handing it out again would end the sign-in when it is used.
    expect((await refresh(tokens.refreshToken)).refreshToken).toBe(grandchild.refreshToken);
    expect((await refresh(child.refreshToken)).refreshToken).toBe(grandchild.refreshToken);
  });
});

/** Exchanges a token, and what follows it, so many times in a row: all of them, the living one last. */
async function line(first: string, steps: number, at = backstay): Promise<string[]> {
  const tokens = [first];
  for (const _ of upTo(steps)) tokens.push((await refresh(tokens.at(-1)!, at)).refreshToken);
  return tokens;
}

describe("tabs that refresh in turn from one token", () => {
  it("may each fall as far behind as they like within 10 s: every token answers the living one", async () => {
    // However slow this machine is.
    const patient = await otherNode({ "auth.refresh_grace": "10m" });
    const all = await line(tokens.refreshToken, 70, patient);
    const living = all.at(-1)!;
    for (const used of all.slice(0, -1)) {
      const { refreshToken, accessToken } = await refresh(used, patient);
      expect(refreshToken).toBe(living);
      expect((await current(accessToken)).account.id).toBe(ada.id);
    }
    expect((await refresh(living)).refreshToken).not.toBe(living);
  });

  it("sign nobody out while they race, and end with one living token", async () => {
    const patient = await otherNode({ "auth.refresh_grace": "10m" });
    const ends = await Promise.all(upTo(5).map(() => line(tokens.refreshToken, 20, patient)));
    const last = await Promise.all(ends.map((tab) => refresh(tab.at(-1)!, patient)));
    expect(new Set(last.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    for (const { accessToken } of last) expect((await current(accessToken)).account.id).toBe(ada.id);
  });

  it("are told to come again, and stay signed in, when one is further behind than is looked for", async () => {
    const patient = await otherNode({ "auth.refresh_grace": "10m" });
    const all = await line(tokens.refreshToken, 520, patient);
    const late = await curlRefused(patient, "auth.v1.AuthService/Refresh", { refreshToken: tokens.refreshToken });
    expect(late).toEqual({ code: "aborted", reason: "CONFLICT", fields: [] });
    expect((await refresh(all.at(-1)!)).refreshToken).not.toBe(all.at(-1));
  }, 60_000);
});

describe("after 10 s a used refresh token", () => {
  it("is taken for stolen however late its followers were used: no repeat makes its time longer", async () => {
    const child = await refresh(tokens.refreshToken);
    await exchangedEarlier(6_000);
    const grandchild = await refresh(child.refreshToken);
    expect((await refresh(tokens.refreshToken)).refreshToken).toBe(grandchild.refreshToken);
    await exchangedEarlier(4_001);
    expect((await refresh(child.refreshToken)).refreshToken).toBe(grandchild.refreshToken);
    expect(await refreshRefused(tokens.refreshToken)).toEqual(unauthenticated("REFRESH_TOKEN_REUSED"));
    expect(await refreshRefused(grandchild.refreshToken)).toEqual(unauthenticated("INVALID_TOKEN"));
  });

  it("case 35: is taken for stolen: every token of that sign-in is dead at once, and its streams end within a second", async () => {
    const next = await refresh(tokens.refreshToken);
    await current(next.accessToken);
    const stream = await standingStream(backstay, next.accessToken);
    await exchangedEarlier(10_001);
    expect(await refreshRefused(tokens.refreshToken)).toEqual(unauthenticated("REFRESH_TOKEN_REUSED"));
    expect((await stream.end(1_000)).refused).toEqual(unauthenticated("TOKEN_REVOKED"));
    expect(await currentRefused(next.accessToken)).toEqual(unauthenticated("INVALID_TOKEN"));
    expect(await currentRefused(tokens.accessToken)).toEqual(unauthenticated("INVALID_TOKEN"));
    expect(await refreshRefused(next.refreshToken)).toEqual(unauthenticated("INVALID_TOKEN"));
    expect(await refreshRefused(tokens.refreshToken)).toEqual(unauthenticated("INVALID_TOKEN"));
    const entries = await auditOf(backstay, ada.id, "refresh_token.reused");
    expect(entries.filter(({ detail }) => JSON.stringify(detail) === JSON.stringify({ device: family }))).toHaveLength(
      1,
    );
  });

  it("leaves the account's other sign-ins alone", async () => {
    const other = await signIn();
    await refresh(tokens.refreshToken);
    await exchangedEarlier(11_000);
    await refreshRefused(tokens.refreshToken);
    expect((await current(other.tokens.accessToken)).account.id).toBe(ada.id);
    await refresh(other.tokens.refreshToken);
  });

  it("is found out also when both thief and owner come many at once", async () => {
    await refresh(tokens.refreshToken);
    await exchangedEarlier(11_000);
    const outcomes = await Promise.all(upTo(5).map(() => refreshRefused(tokens.refreshToken)));
    const reasons = new Set(outcomes.map(({ reason }) => reason));
    expect(reasons.has("REFRESH_TOKEN_REUSED")).toBe(true);
    reasons.delete("REFRESH_TOKEN_REUSED");
    reasons.delete("INVALID_TOKEN");
    expect(reasons.size).toBe(0);
  });
});

describe("a refresh token is refused", () => {
  it("when it was not used for 14 days", async () => {
    clock.advance(14 * DAY);
    expect(await refreshRefused(tokens.refreshToken)).toEqual(unauthenticated("TOKEN_EXPIRED"));
  });

  it("when it is unknown, damaged, or of another kind", async () => {
    const invalid = unauthenticated("INVALID_TOKEN");
    expect(await refreshRefused(`bs_rt_${"A".repeat(43)}`)).toEqual(invalid);
    expect(await refreshRefused(flipped(tokens.refreshToken))).toEqual(invalid);
    expect(await refreshRefused(tokens.accessToken)).toEqual(invalid);
    expect(await refreshRefused(tokens.accessToken.replace("bs_at_", "bs_rt_"))).toEqual(invalid);
    expect(await refreshRefused("refresh me")).toEqual(invalid);
  });

  it("when it is empty or beyond 256 bytes", async () => {
    for (const token of ["", "x".repeat(257)]) {
      expect(await refreshRefused(token)).toEqual({
        code: "invalid_argument",
        reason: "INVALID_FIELD",
        fields: ["refreshToken"],
      });
    }
  });
});

describe("a sign-in", () => {
  it("lasts at most 90 days, however often it is refreshed", async () => {
    const end = clock.now().getTime() + 90 * DAY;
    let held = tokens;
    for (const _ of upTo(6)) {
      clock.advance(13 * DAY);
      held = await refresh(held.refreshToken);
    }
    clock.advance(12 * DAY - 60_000);
    held = await refresh(held.refreshToken);
    expect(Date.parse(held.refreshExpireTime)).toBe(end);
    expect(Date.parse(held.accessExpireTime)).toBe(end);
    // The pair of a repeat within the grace ends then too.
    const [first = held, second = held] = [await refresh(held.refreshToken), await refresh(held.refreshToken)];
    for (const pair of [first, second]) {
      expect(Date.parse(pair.refreshExpireTime)).toBe(end);
      expect(Date.parse(pair.accessExpireTime)).toBe(end);
    }
    clock.advance(60_000);
    expect(await refreshRefused(first.refreshToken)).toEqual(unauthenticated("TOKEN_EXPIRED"));
    expect(await currentRefused(first.accessToken)).toEqual(unauthenticated("TOKEN_EXPIRED"));
    expect(await currentRefused(second.accessToken)).toEqual(unauthenticated("TOKEN_EXPIRED"));
    expect(await refreshRefused(held.refreshToken)).toEqual(unauthenticated("TOKEN_EXPIRED"));
  });

  it("lasts no longer either when its first tokens would, by their own settings", async () => {
    const short = await startBackstay(
      { "auth.refresh_max_ttl": "5m", "auth.refresh_idle_ttl": "14d" },
      { overrides: { clock } },
    );
    const { login, secret } = await short.signUp();
    const answer = await curl<{ tokens: Tokens }>(short, "auth.v1.AuthService/SignIn", { login, secret });
    const end = clock.now().getTime() + 5 * 60_000;
    expect(Date.parse(answer.tokens.refreshExpireTime)).toBe(end);
    expect(Date.parse(answer.tokens.accessExpireTime)).toBe(end);
    clock.advance(5 * 60_000);
    const { refreshToken, accessToken } = answer.tokens;
    expect((await curlRefused(short, "auth.v1.AuthService/Refresh", { refreshToken })).reason).toBe("TOKEN_EXPIRED");
    expect((await curlRefused(short, "auth.v1.AuthService/GetCurrent", {}, accessToken)).reason).toBe("TOKEN_EXPIRED");
    await short.stop();
  });
});

it("is done by the client itself, whose calls go on when the access token has expired", async () => {
  const quick = await startBackstay({ "auth.access_ttl": "1s" });
  const person = await quick.signUp();
  const before = person.client.auth.tokens;
  await person.client.auth.refresh();
  expect(person.client.auth.tokens?.refreshToken).not.toBe(before?.refreshToken);
  expect((await person.client.auth.getCurrent()).account?.id).toBe(person.id);
  await quick.stop();
});
