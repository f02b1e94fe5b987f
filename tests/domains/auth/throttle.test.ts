import { createHash } from "node:crypto";
import { Agent, request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { bearer, openDatabase, refusedJson, testClock, upTo } from "../support.js";

const SIGN_IN = "auth.v1.AuthService/SignIn";
const CHANGE = "auth.v1.AuthService/ChangeSecret";
const WRONG = "a wrong secret";
const DAY = 24 * 3_600_000;

let backstay: TestBackstay;
const clock = testClock();
beforeAll(async () => {
  // What one address may try in a minute is another limit.
  const settings = {
    "limits.rate": "on",
    "limits.secrets_per_minute": "1000000",
    "auth.secret_min_length": "8",
  } as const;
  backstay = await startBackstay(settings, { overrides: { clock } });
});
afterAll(() => backstay.stop());

let ada: Person;
beforeEach(async () => {
  ada = await backstay.signUp();
});

interface Answer {
  reason: string;
  /** Seconds after which a repeat will be answered. */
  retry: number;
  deviceToken: string;
}

async function tryWith(login: string, secret: string, deviceToken = ""): Promise<Answer> {
  const { json } = await call(backstay.url, SIGN_IN, { login, secret, deviceToken });
  const details = (json.details ?? []) as { debug: { reason?: string; retryDelay?: string } }[];
  const find = (name: "reason" | "retryDelay") => details.map(({ debug }) => debug[name]).find(Boolean);
  return {
    reason: find("reason") ?? "ok",
    retry: Number.parseFloat(find("retryDelay") ?? "0"),
    deviceToken: String(json.deviceToken ?? ""),
  };
}

const reasons = async (count: number, ...tried: Parameters<typeof tryWith>) => {
  const answers: string[] = [];
  for (let n = 0; n < count; n++) answers.push((await tryWith(...tried)).reason);
  return answers;
};
const times = (count: number, reason: string) => Array.from({ length: count }, () => reason);
const [OK, REFUSED, LOCKED] = ["ok", "INVALID_CREDENTIALS", "TOO_MANY_TRIES"];

describe("tries of a login", () => {
  it.each([
    ["that is known", () => ada.login],
    ["that nobody has", () => `nobody ${ada.login}`],
  ])(
    "%s: five are answered at once, then each has to wait twice as long, up to a quarter of an hour",
    async (_, of) => {
      expect(await reasons(6, of(), WRONG)).toEqual([...times(5, REFUSED), LOCKED]);
      const waits: number[] = [];
      for (let n = 0; n < 12; n++) {
        const { reason, retry } = await tryWith(of(), WRONG);
        waits.push(retry);
        clock.advance(retry * 1_000 - 1);
        const tooEarly = await tryWith(of(), WRONG);
        clock.advance(1);
        const inTime = await tryWith(of(), WRONG);
        expect([reason, tooEarly.reason, inTime.reason]).toEqual([LOCKED, LOCKED, REFUSED]);
      }
      expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    },
  );

  it("are refused while it is locked though the secret is right, and answered when they may come again", async () => {
    await reasons(5, ada.login, WRONG);
    expect(await reasons(2, ada.login, ada.secret)).toEqual([LOCKED, LOCKED]);
    clock.advance(1_000);
    expect(await reasons(1, ada.login, ada.secret)).toEqual([OK]);
  });

  it("are one count, however the login is written", async () => {
    await reasons(3, ada.login, WRONG);
    await reasons(2, ada.login.toUpperCase(), WRONG);
    expect(await reasons(1, ada.login, WRONG)).toEqual([LOCKED]);
  });

  it("do not count when they are right, but do not make up for those that were wrong", async () => {
    expect(await reasons(8, ada.login, ada.secret)).toEqual(times(8, OK));
    await reasons(4, ada.login, WRONG);
    expect(await reasons(3, ada.login, ada.secret)).toEqual(times(3, OK));
    expect(await reasons(2, ada.login, WRONG)).toEqual([REFUSED, LOCKED]);
  });

  it("are forgotten a day after the last", async () => {
    await reasons(5, ada.login, WRONG);
    clock.advance(24 * 3_600_000);
    expect(await reasons(2, ada.login, WRONG)).toEqual([REFUSED, LOCKED]);
    clock.advance(24 * 3_600_000 + 1);
    expect(await reasons(6, ada.login, WRONG)).toEqual([...times(5, REFUSED), LOCKED]);
  });

  it("count only when a secret was compared: not when too many others waited for that", async () => {
    clock.advance(1);
    const logins = upTo(150).map((n) => `flood ${n} ${ada.login}`);
    const answers = await Promise.all(logins.map((login) => tryWith(login, WRONG)));
    const compared = answers.filter(({ reason }) => reason === REFUSED);
    expect(answers.length - compared.length).toBe(
      answers.filter(({ reason }) => reason === "TOO_MANY_SIGN_INS").length,
    );
    expect(compared.length).toBeLessThan(150);
    const sql = openDatabase(backstay);
    const [row] = await sql`select sum(tries)::int as tries from backstay.sign_in_tries where last_at = ${clock.now()}`;
    expect(row!.tries).toBe(compared.length);
  });

  it("are kept under a name that says nothing of the login, until a job forgets them", async () => {
    const sql = openDatabase(backstay);
    await sql`delete from backstay.sign_in_tries`;
    await reasons(1, ada.login, WRONG);
    clock.advance(23 * 3_600_000);
    await reasons(1, "another", WRONG);
    const keys = async () => (await sql`select key from backstay.sign_in_tries order by last_at`).map(({ key }) => key);
    const [first, second] = await keys();
    expect([first, second].map(({ length }) => length)).toEqual([32, 32]);
    expect(first).not.toEqual(createHash("sha256").update(ada.login).digest());
    clock.advance(2 * 3_600_000);
    await runJob(backstay, "backstay.auth.prune");
    expect(await keys()).toEqual([second]);
  });
});

describe("a known device", () => {
  const device = async () => (await tryWith(ada.login, ada.secret)).deviceToken;

  it("has a count of its own, which others do not raise, nor it theirs", async () => {
    const token = await device();
    expect(token).toMatch(/^bs_dt_[A-Za-z0-9_-]{72}$/);
    await reasons(5, ada.login, WRONG);
    expect(await reasons(1, ada.login, WRONG, "")).toEqual([LOCKED]);
    expect(await reasons(6, ada.login, WRONG, token)).toEqual([...times(5, REFUSED), LOCKED]);
    clock.advance(1_000);
    expect(await reasons(1, ada.login, WRONG, token)).toEqual([REFUSED]);
    // Those without a device waited for a second, as they would have without it.
    expect(await reasons(2, ada.login, WRONG)).toEqual([REFUSED, LOCKED]);
  });

  it("is one that signed in with this very login", async () => {
    const ben = await backstay.signUp();
    const foreign = (await tryWith(ben.login, ben.secret)).deviceToken;
    await reasons(5, ada.login, WRONG);
    const made = `bs_dt_${"A".repeat(72)}`;
    for (const token of [foreign, made]) expect(await reasons(1, ada.login, ada.secret, token)).toEqual([LOCKED]);
  });

  it("counts together with all others of its login: who holds many guesses little more than who holds one", async () => {
    const tokens: string[] = [];
    for (const _ of upTo(11)) tokens.push(await device());
    const answers: string[] = [];
    for (const token of tokens) answers.push(...(await reasons(5, ada.login, WRONG, token)));
    expect(answers).toEqual([...times(50, REFUSED), ...times(5, LOCKED)]);
    expect(await reasons(1, ada.login, ada.secret, tokens[10])).toEqual([LOCKED]);
    clock.advance(1_000);
    // The tries that were refused count for nothing: that device has all of its own left.
    expect(await reasons(2, ada.login, WRONG, tokens[10])).toEqual([REFUSED, LOCKED]);
    clock.advance(2_000);
    expect(await reasons(2, ada.login, ada.secret, tokens[10])).toEqual([OK, OK]);
    // Neither do strangers wait for it.
    expect(await reasons(1, ada.login, ada.secret)).toEqual([OK]);
  });

  it("keeps its token for half a year, and is given another then", async () => {
    const token = await device();
    const shown = async () => (await tryWith(ada.login, ada.secret, token)).deviceToken;
    clock.advance(182 * DAY);
    expect(await shown()).toBe(token);
    clock.advance(DAY);
    const next = await shown();
    expect(next).toMatch(/^bs_dt_/);
    expect(next).not.toBe(token);
    // Neither does one that is not of this login come back.
    const { login, secret } = await backstay.signUp();
    expect((await tryWith(login, secret, next)).deviceToken).not.toBe(next);
  });

  it("clears what others have tried when its owner signs in from it", async () => {
    const token = await device();
    await reasons(5, ada.login, WRONG);
    expect(await reasons(1, ada.login, ada.secret, token)).toEqual([OK]);
    expect(await reasons(5, ada.login, WRONG)).toEqual(times(5, REFUSED));
  });
});

describe("the old secret, for a new one", () => {
  const change = async (old: string): Promise<string> => {
    const { status, json } = await call(backstay.url, CHANGE, { old, new: "another secret" }, bearer(ada.token));
    return status === 200 ? OK : refusedJson(json).reason;
  };

  it("is guessed as little as at the sign-in, by whoever has an open session, and apart from it", async () => {
    for (const _ of upTo(5)) expect(await change(WRONG)).toBe("WRONG_SECRET");
    expect([await change(WRONG), await change(ada.secret)]).toEqual([LOCKED, LOCKED]);
    expect(await reasons(1, ada.login, ada.secret)).toEqual([OK]);
    clock.advance(1_000);
    expect([await change(WRONG), await change(ada.secret)]).toEqual(["WRONG_SECRET", LOCKED]);
    clock.advance(2_000);
    expect(await change(ada.secret)).toBe(OK);
  });

  it("counts only when it was compared and wrong", async () => {
    for (const _ of upTo(8)) {
      const { json } = await call(backstay.url, CHANGE, { old: WRONG, new: "short" }, bearer(ada.token));
      expect(refusedJson(json).reason).toBe("SECRET_TOO_SHORT");
    }
    for (const _ of upTo(8)) expect(await change("")).toBe("WRONG_SECRET");
    expect(await change(ada.secret)).toBe(OK);
  });

  it("waits with the strangers to be compared: a storm of it keeps no known device from signing in", async () => {
    const { deviceToken } = await tryWith(ada.login, ada.secret);
    const people: Person[] = [];
    for (const _ of upTo(12)) people.push(await backstay.signUp());
    const storm = upTo(60).map((n) =>
      call(backstay.url, CHANGE, { old: WRONG, new: "another secret" }, bearer(people[n % 12]!.token)),
    );
    const signIns = upTo(20).map(() => tryWith(ada.login, ada.secret, deviceToken));
    expect((await Promise.all(signIns)).map(({ reason }) => reason)).not.toContain("TOO_MANY_SIGN_INS");
    await Promise.all(storm);
  });
});

/** An answer without what differs from call to call: when it was given, and how long to wait. */
async function answerOf(path: string, body: object): Promise<{ status: number; headers: object; body: string }> {
  const headers = { "content-type": "application/json", "x-request-id": "one" };
  const response = await fetch(backstay.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const own = [...response.headers].filter(([name]) => !["date", "retry-after", "content-length"].includes(name));
  const text = (await response.text())
    .replace(/("type":"google.rpc.RetryInfo","value":)"[^"]+"/, '$1""')
    .replace(/"retryDelay":"[^"]+"/, '"retryDelay":""');
  return { status: response.status, headers: Object.fromEntries(own), body: text };
}

describe.each([
  ["Connect", `/backstay.${SIGN_IN}`, 429],
  ["REST", "/v1/auth/sign-in", 429],
  ["the predecessor's path", "/login", 429],
])("by %s", (_, path, locked) => {
  it("cases 23 and 25: an answer is the same, byte for byte, whether there is such a login or not, locked or not", async () => {
    const answers = async (login: string) => {
      const open = [];
      for (let n = 0; n < 5; n++) open.push(await answerOf(path, { login, secret: WRONG }));
      return { open, locked: await answerOf(path, { login, secret: WRONG }) };
    };
    const [known, unknown] = [await answers(ada.login), await answers(ada.login.replace("person", "nobody"))];
    expect(unknown).toEqual(known);
    expect(new Set(known.open.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect([known.open[0]!.status, known.locked.status]).toEqual([401, locked]);
    // Nor does the right secret tell itself while the login is locked.
    expect(await answerOf(path, { login: ada.login, secret: ada.secret })).toEqual(known.locked);
  });
});

it("case 25: a hundred wrong secrets at once are answered as five are, and the owner still gets in by his device", async () => {
  const { deviceToken } = await tryWith(ada.login, ada.secret);
  const answers = await Promise.all(upTo(100).map(() => tryWith(ada.login, WRONG)));
  expect(answers.filter(({ reason }) => reason === REFUSED)).toHaveLength(5);
  const locked = answers.filter(({ reason }) => reason === LOCKED);
  expect(locked).toHaveLength(95);
  expect(locked.every(({ retry }) => retry === 1)).toBe(true);
  expect((await tryWith(ada.login, ada.secret)).reason).toBe(LOCKED);
  expect((await tryWith(ada.login, ada.secret, deviceToken)).reason).toBe(OK);
});

it("case 25: one wrong secret on each of a thousand logins is stopped by the address they come from, and by no other", async () => {
  const strict = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "60" });
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  const from = (localAddress: string, body: object) =>
    new Promise<number>((resolve, reject) => {
      const options = { method: "POST", localAddress, agent, headers: { "content-type": "application/json" } };
      const asked = request(`${strict.url}/backstay.${SIGN_IN}`, options, (response) => {
        response.resume().on("end", () => resolve(response.statusCode!));
      });
      asked.on("error", reject).end(JSON.stringify(body));
    });
  try {
    const owner = await strict.signUp();
    const statuses: number[] = [];
    const began = performance.now();
    for (let n = 0; n < 1_000; n += 50) {
      const batch = upTo(50).map((one) => from("127.0.0.1", { login: `login ${n + one}`, secret: WRONG }));
      statuses.push(...(await Promise.all(batch)));
    }
    // Thirty at once, one more each second; two of them went to sign the owner up.
    const most = 30 + (performance.now() - began) / 1_000;
    const heard = statuses.filter((status) => status === 401).length;
    expect(heard).toBeGreaterThanOrEqual(20);
    expect(heard).toBeLessThanOrEqual(most);
    expect(statuses.filter((status) => status === 429)).toHaveLength(1_000 - heard);
    expect(await from("127.0.0.2", { login: owner.login, secret: owner.secret })).toBe(200);
  } finally {
    agent.destroy();
    await strict.stop();
  }
}, 60_000);

it("case 27: a secret of more than 256 bytes is refused before it is counted or hashed, and none is cut short", async () => {
  const invalid = await call(backstay.url, SIGN_IN, { login: ada.login, secret: "s".repeat(1_000_000) });
  expect([invalid.status, invalid.json.code]).toEqual([400, "invalid_argument"]);
  // None of the five that are free is gone.
  expect(await reasons(6, ada.login, WRONG)).toEqual([...times(5, REFUSED), LOCKED]);
  const long = "s".repeat(255);
  const login = `long ${ada.login}`;
  const made = await call(backstay.url, "accounts.v1.AccountService/CreateAccount", {
    login,
    secret: `${long}a`,
    name: "x",
  });
  expect(made.status).toBe(200);
  for (const secret of [`${long}b`, long, "s".repeat(72)]) expect((await tryWith(login, secret)).reason).toBe(REFUSED);
  expect((await tryWith(login, `${long}a`)).reason).toBe(OK);
  const tooLong = { login: `${login}er`, secret: `${long}aa`, name: "x" };
  expect((await call(backstay.url, "accounts.v1.AccountService/CreateAccount", tooLong)).json.code).toBe(
    "invalid_argument",
  );
});

it("tries are not counted where rates are not limited", async () => {
  const open = await startBackstay({ "limits.rate": "off" });
  try {
    const person = await open.signUp();
    const statuses = [];
    for (let n = 0; n < 8; n++) {
      statuses.push((await call(open.url, SIGN_IN, { login: person.login, secret: WRONG })).status);
    }
    expect(statuses).toEqual(Array.from({ length: 8 }, () => 401));
  } finally {
    await open.stop();
  }
});
