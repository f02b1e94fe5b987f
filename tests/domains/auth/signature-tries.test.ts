import { Agent, request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { parseReply, type Reply } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { openDatabase, testClock, upTo } from "../support.js";

// A secret can be guessed by signing with it: that must be no way round the count of its login.

const HOUR = 3_600_000;
const WRONG = "a wrong secret";
const [OK, REFUSED, LOCKED] = ["ok", "INVALID_SIGNATURE", "TOO_MANY_TRIES"];
const times = (count: number, reason: string) => Array.from({ length: count }, () => reason);

const SETTINGS = {
  "limits.rate": "on",
  // What one address may try in a minute is another limit.
  "limits.secrets_per_minute": "1000000",
  "auth.signatures": "all",
  secret: "a".repeat(64),
} as const;

const clock = testClock();
const agent = new Agent({ maxSockets: 100 });
let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay(SETTINGS, { overrides: { clock } });
});
afterAll(async () => {
  agent.destroy();
  await backstay.stop();
});

let login: string;
let secret: string;
beforeEach(async () => {
  ({ login, secret } = await backstay.signUp());
});

interface Guess {
  login?: string;
  secret?: string;
  on?: TestBackstay;
}

/** How a signed read is answered that comes from an address of this machine. */
function signedFrom(localAddress: string, guess: Guess = {}): Promise<Reply> {
  const { on = backstay, ...how } = guess;
  const url = `${on.url}/v1/auth/current`;
  const signature = sign({ login, secret, ...how, url, expires: clock.now().getTime() + 60_000 });
  return new Promise((resolve, reject) => {
    const options = { localAddress, agent, headers: { "bk-signature": Buffer.from(signature).toString("latin1") } };
    request(url, options, (response) => parseReply(response).then(resolve, reject))
      .on("error", reject)
      .end();
  });
}

const outcome = async (localAddress: string, guess: Guess = {}) => {
  const { status, reason } = await signedFrom(localAddress, guess);
  return status === 200 ? OK : String(reason);
};

let addresses = 0;
/** An address that nothing has come from. */
const nextAddress = () => `127.0.${1 + (addresses >> 7)}.${1 + (addresses++ & 127)}`;

/** How guesses end that come one by one, each from an address of its own. */
async function guesses(count: number, guess: Guess = {}): Promise<string[]> {
  const answers: string[] = [];
  for (const _ of upTo(count)) answers.push(await outcome(nextAddress(), { secret: WRONG, ...guess }));
  return answers;
}

describe("guesses by signature", () => {
  it("are counted by the login, wherever they come from and whether anybody has it or not", async () => {
    for (const guess of [{}, { login: `nobody ${login}` }]) {
      expect(await guesses(7, guess)).toEqual([...times(5, REFUSED), LOCKED, LOCKED]);
      clock.advance(1_000);
      expect(await guesses(2, guess)).toEqual([REFUSED, LOCKED]);
      clock.advance(1_999);
      expect(await guesses(1, guess)).toEqual([LOCKED]);
      clock.advance(1);
      expect(await guesses(1, guess)).toEqual([REFUSED]);
    }
  });

  it("are answered alike, byte for byte, for a login that nobody has", async () => {
    const answers = async (guess: Guess) => {
      const replies: unknown[] = [];
      for (const _ of upTo(6)) {
        const { status, headers, json } = await signedFrom(nextAddress(), { secret: WRONG, ...guess });
        replies.push({ status, json, headers: { ...headers, date: "", "x-request-id": "" } });
      }
      return replies;
    };
    expect(await answers({ login: `nobody ${login}` })).toEqual(await answers({}));
  });

  it("are one count, however the login is written, and none with that of sign-ins", async () => {
    await guesses(3);
    expect(await guesses(3, { login: login.toUpperCase() })).toEqual([REFUSED, REFUSED, LOCKED]);
    await backstay.anonymous().auth.signIn({ login, secret });
  });

  it("are as many when a hundred come at once", async () => {
    const answers = await Promise.all(upTo(100).map(() => outcome(nextAddress(), { secret: WRONG })));
    expect(answers.filter((reason) => reason === REFUSED)).toHaveLength(5);
    expect(answers.filter((reason) => reason === LOCKED)).toHaveLength(95);
  });

  it("are refused unheard when they are locked, also when the secret is right", async () => {
    await guesses(5);
    expect(await outcome(nextAddress())).toBe(LOCKED);
    clock.advance(1_000);
    expect(await outcome(nextAddress())).toBe(OK);
  });

  it("leave an address alone that the login has signed rightly from, for a day", async () => {
    const home = nextAddress();
    expect(await outcome(home)).toBe(OK);
    await guesses(5);
    expect([await outcome(home), await outcome(nextAddress())]).toEqual([OK, LOCKED]);
    clock.advance(24 * HOUR);
    await guesses(6);
    expect(await outcome(home)).toBe(OK);
    clock.advance(24 * HOUR + 1);
    await guesses(6);
    expect(await outcome(home)).toBe(LOCKED);
  });

  it("are counted by all nodes together, each of which compares one more at most", async () => {
    const settings = { ...SETTINGS, "database.url": backstay.databaseUrl };
    const other = await startBackstay(settings, { overrides: { clock } });
    expect(await guesses(6)).toEqual([...times(5, REFUSED), LOCKED]);
    expect(await guesses(3, { on: other })).toEqual([REFUSED, LOCKED, LOCKED]);
    await other.stop();
  });

  it("alone are written down: what is right leaves nothing in the database", async () => {
    const sql = openDatabase(backstay);
    const count = async () =>
      (await sql`select count(*)::int as count from backstay.sign_in_tries`)[0]!.count as number;
    const before = await count();
    expect(await Promise.all(upTo(20).map(() => outcome(nextAddress())))).toEqual(times(20, OK));
    expect(await count()).toBe(before);
    await guesses(1);
    expect(await count()).toBe(before + 1);
  });

  it("are not counted where rates are not limited", async () => {
    const open = await startBackstay({ "limits.rate": "off", "auth.signatures": "all" }, { overrides: { clock } });
    expect(await guesses(8, { on: open })).toEqual(times(8, REFUSED));
    await open.stop();
  });
});
