import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { ANONYMOUS, type Caller } from "../../server/kernel/caller.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import { turningKey } from "../../server/kernel/turning-key.js";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { type RateLimiter, rateLimiter } from "../../server/rpc/rate.js";
import { addAccount, get } from "../compat/predecessor.js";
import { upTo, within } from "../domains/support.js";
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

describe("signatures", () => {
  const CURRENT = "/v1/auth/current";
  const reasonOf = ({ json }: { json: { details: { reason?: string }[] } }) => json.details[0]?.reason;

  it("that are sent together are compared no more often than one after the other, and nobody waits long for it", async () => {
    const own = await startBackstay({ "limits.rate": "on" });
    onTestFinished(() => own.stop());
    const sent = upTo(300).map((n) => get(own, CURRENT, { id: "", login: `nobody-${n}`, secret: "a guess" }));
    const reasons = (await Promise.all(sent)).map(reasonOf);
    const compared = reasons.filter((reason) => reason === "INVALID_SIGNATURE").length;
    // Thirty, and one more in two seconds.
    expect(compared).toBeGreaterThanOrEqual(30);
    expect(compared).toBeLessThan(60);
    expect(new Set(reasons)).toEqual(new Set(["INVALID_SIGNATURE", "RATE_LIMITED"]));
    const { headers } = await get(own, CURRENT, { id: "", login: "nobody", secret: "a guess" });
    expect(Number(headers.get("retry-after") ?? 0)).toBeLessThanOrEqual(5);
  }, 30_000);

  it("that are right are all taken, however many come together", async () => {
    const own = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "2" });
    onTestFinished(() => own.stop());
    const ann = await addAccount(own);
    const answers = await Promise.all(upTo(200).map(() => get(own, CURRENT, ann)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  }, 30_000);
});

describe("budgets", () => {
  // So few a minute that none grows while a test runs.
  const limits = { reads: 60, writes: 30, secrets: 2, streams: 400 };
  const newBus = () =>
    memoryBus((error) => {
      throw error;
    });
  const start = (bus = newBus(), key = instanceKey(Buffer.alloc(32, 7))) => {
    const limiter = rateLimiter({ bus, key, limits });
    onTestFinished(() => limiter.stop());
    return limiter;
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

  it("of callers who are known stay shared between nodes when the instance key turns", async () => {
    const [old, next] = [7, 8].map((byte) => instanceKey(Buffer.alloc(32, byte)));
    let ring = old!;
    const bus = newBus();
    const [one, other] = [
      start(
        bus,
        turningKey(() => ring),
      ),
      start(
        bus,
        turningKey(() => ring),
      ),
    ];
    const [ada, ben] = ["192.0.2.1", "192.0.2.2"];
    const countOf = (limiter: RateLimiter, remote: string) =>
      limiter.count({ method: { rateClass: RateClass.READ }, caller: ANONYMOUS, remote });
    countOf(one, ada);
    countOf(other, ben);
    ring = next!;
    // What is known of the key is as old as that.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const told = new Promise((resolve) => bus.subscribe("rate.spent", resolve));
    for (const remote of [ada, ben]) expect(passing(one, remote)).toEqual(about(30));
    await within(10_000, told, "the other node is told");
    // What was taken from a bucket that is nearly full is not told.
    for (const remote of [ada, ben]) expect(passing(other, remote)).toBeLessThan(15);
  });

  it("of refusals that were counted together make nobody wait for more than two minutes", () => {
    const limiter = start();
    const from = { method: { rateClass: RateClass.READ }, caller: ANONYMOUS, remote: "192.0.2.1" };
    for (const of of ["token", "signature"] as const) {
      for (const _ of upTo(5_000)) limiter.countRefusal(from, of);
      const asked = () => limiter.checkRefusals(from, of);
      expect(asked).toThrow(expect.objectContaining({ retryAfterMs: expect.toSatisfy((ms) => ms <= 150_000) }));
    }
  });

  it("of refused signatures let so many be proved at once as may be refused; the others wait, and hear when it is over", async () => {
    const limiter = start();
    const from = { method: { rateClass: RateClass.READ }, caller: ANONYMOUS, remote: "192.0.2.1" };
    const begin = () => limiter.startProof(from, "signature");
    const ends: ((isRefused: boolean) => void)[] = [];
    const sent = upTo(6).map(async () => {
      ends.push(await begin());
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    expect(ends).toHaveLength(2);
    ends[0]!(false);
    await turn();
    expect(ends).toHaveLength(3);
    ends[1]!(true);
    await turn();
    // Only one more may be refused, and one is being proved.
    expect(ends).toHaveLength(3);
    ends[2]!(false);
    await turn();
    expect(ends).toHaveLength(4);
    ends[3]!(true);
    expect((await Promise.allSettled(sent)).map(({ status }) => status)).toEqual([
      ...upTo(4).map(() => "fulfilled"),
      ...upTo(2).map(() => "rejected"),
    ]);
  });

  it("are not spent by a call that is refused", () => {
    const limiter = start();
    passing(limiter, "192.0.2.1", RateClass.READ, account("ada"));
    // Refused for his own budget, he takes nothing from that of his address.
    for (let n = 0; n < 100; n++) passing(limiter, "192.0.2.1", RateClass.READ, account("ada"));
    expect(passing(limiter, "192.0.2.1", RateClass.READ, account("ben"))).toEqual(about(30));
  });
});
