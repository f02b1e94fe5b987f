import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { ANONYMOUS, type Caller } from "../../server/kernel/caller.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { type RateLimiter, rateLimiter } from "../../server/rpc/rate.js";
import { call, startBackstay, type TestBackstay } from "../support/backstay.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "on" });
});
afterAll(() => backstay.stop());

const reasonOf = (json: Record<string, unknown>) =>
  (json.details as { debug: { reason?: string } }[]).map(({ debug }) => debug.reason)[0];

it("secrets are compared thirty times a minute for one address, and then it is told when to come back", async () => {
  // Another login each time: guesses at one are counted apart.
  let guesses = 0;
  const guess = () =>
    call(backstay.url, "auth.v1.AuthService/SignIn", { login: `nobody-${guesses++}`, secret: "a guess" });
  const answers = [];
  // The budget grows by one in two seconds, so that on a slow machine a few more get through.
  do answers.push(await guess());
  while (answers.length < 60 && answers.at(-1)!.status === 401);
  expect(answers.slice(0, 30).every(({ json }) => reasonOf(json) === "INVALID_CREDENTIALS")).toBe(true);
  const last = answers.at(-1)!;
  expect([last.status, reasonOf(last.json)]).toEqual([429, "RATE_LIMITED"]);
  expect(JSON.stringify(last.json)).toMatch(/"retryDelay":"[0-9.]+s"/);
});

it("tokens that are refused are counted too, before they cost the database anything", async () => {
  const refused = async () => {
    const authorization = `Bearer bs_at_${randomBytes(32).toString("base64url")}`;
    return reasonOf((await call(backstay.url, "auth.v1.AuthService/GetCurrent", {}, { authorization })).json);
  };
  const reasons: unknown[] = [];
  // Twenty more get through each second.
  do reasons.push(...(await Promise.all(Array.from({ length: 50 }, refused))));
  while (reasons.length < 5_000 && !reasons.includes("RATE_LIMITED"));
  expect(reasons.slice(0, 500).every((reason) => reason === "INVALID_TOKEN")).toBe(true);
  expect(reasons).toContain("RATE_LIMITED");
});

describe("budgets", () => {
  // So few a minute that none grows while a test runs.
  const limits = { reads: 60, writes: 30, secrets: 2, streams: 400 };
  const start = () => {
    const bus = memoryBus((error) => {
      throw error;
    });
    return rateLimiter({ bus, key: instanceKey(Buffer.alloc(32, 7)), limits });
  };
  const account = (accountId: string) => ({ kind: "account", via: "token", accountId }) as Caller;

  /** How many calls pass before one does not; a few more than were there at once, if the machine is slow. */
  function passing(limiter: RateLimiter, remote: string, rateClass = RateClass.READ, caller = ANONYMOUS): number {
    for (let passed = 0; passed < 500; passed++) {
      try {
        limiter.count({ method: { rateClass }, caller, remote });
      } catch {
        return passed;
      }
    }
    return 500;
  }
  const about = (count: number) => expect.toSatisfy((passed: number) => passed >= count && passed <= count + 3);

  it.each([
    ["a tenth of a minute's calls", RateClass.STREAM, 40],
    ["but thirty at least", RateClass.READ, 30],
    ["and no more than a minute's", RateClass.SECRET, 2],
    ["or all, of what is not counted", RateClass.FREE, 500],
  ])("hold at once %s", (_, rateClass, expected) => {
    expect(passing(start(), "192.0.2.1", rateClass)).toEqual(about(expected));
  });

  it("are apart for each class, address and account", () => {
    const limiter = start();
    expect(passing(limiter, "192.0.2.1")).toEqual(about(30));
    expect(passing(limiter, "192.0.2.1", RateClass.WRITE)).toEqual(about(30));
    expect(passing(limiter, "192.0.2.2")).toEqual(about(30));
    expect(passing(limiter, "192.0.2.1", RateClass.READ, account("ada"))).toEqual(about(30));
  });

  it("are one for all addresses of an IPv6 /64", () => {
    const limiter = start();
    expect(passing(limiter, "2001:db8::1")).toEqual(about(30));
    expect(passing(limiter, "2001:db8::2:0:0:1")).toBeLessThan(3);
    expect(passing(limiter, "2001:db8:0:1::1")).toEqual(about(30));
  });

  it("follow an account from address to address", () => {
    const limiter = start();
    expect(passing(limiter, "192.0.2.1", RateClass.READ, account("ada"))).toEqual(about(30));
    expect(passing(limiter, "192.0.2.2", RateClass.READ, account("ada"))).toBeLessThan(3);
  });

  it("give all accounts of one address ten times as much in a minute, and take nothing from those of others", () => {
    const limiter = start();
    const passed = Array.from({ length: 12 }, (_, n) =>
      passing(limiter, "192.0.2.1", RateClass.READ, account(`a${n}`)),
    );
    // Sixty of six hundred a minute come at once.
    expect(passed.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(60);
    expect(passed.reduce((sum, count) => sum + count)).toBeLessThan(80);
    expect(passing(limiter, "192.0.2.2", RateClass.READ, account("z"))).toEqual(about(30));
  });

  it("of secrets are of the address, whoever calls", () => {
    const limiter = start();
    expect(passing(limiter, "192.0.2.1", RateClass.SECRET, account("ada"))).toEqual(about(2));
    expect(passing(limiter, "192.0.2.1", RateClass.SECRET, account("ben"))).toBe(0);
    expect(passing(limiter, "192.0.2.1", RateClass.SECRET)).toBe(0);
    expect(passing(limiter, "192.0.2.2", RateClass.SECRET, account("ada"))).toEqual(about(2));
  });

  it("are not spent by a call that is refused", () => {
    const limiter = start();
    passing(limiter, "192.0.2.1", RateClass.READ, account("ada"));
    // Refused for his own budget, he takes nothing from that of his address.
    for (let n = 0; n < 100; n++) passing(limiter, "192.0.2.1", RateClass.READ, account("ada"));
    expect(passing(limiter, "192.0.2.1", RateClass.READ, account("ben"))).toEqual(about(30));
  });
});
