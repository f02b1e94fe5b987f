import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../server/config.js";
import { remoteBehind } from "../../server/rpc/remote-address.js";
import { call, startBackstay, type TestBackstay } from "../support/backstay.js";

const read = (proxies: string) =>
  readConfig({ flags: { "limits.trusted_proxies": proxies }, env: {}, cwd: "/nowhere", development: false });

/** Whom a server takes for the caller, of this peer with these headers. */
function remote(proxies: string, peer: string, forwarded: string | undefined): string {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return remoteBehind(read(proxies)["limits.trusted_proxies"])({ headers, socket: { remoteAddress: peer } });
}

describe("where a call came from", () => {
  const OURS = "10.0.0.0/8, 2001:db8::/32, 192.0.2.7";

  it.each([
    ["the peer, when it is no proxy of ours, whatever it says", "198.51.100.1", "203.0.113.9", "198.51.100.1"],
    ["the peer, when a proxy says nothing", "10.0.0.1", undefined, "10.0.0.1"],
    ["whom a proxy names", "10.0.0.1", "203.0.113.9", "203.0.113.9"],
    ["whom a proxy names by IPv6", "2001:db8::1", "2a00::5", "2a00::5"],
    ["whom a proxy names that came by a socket for both versions", "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"],
    ["whom the first of several proxies names", "10.0.0.1", "203.0.113.9, 192.0.2.7,10.9.9.9", "203.0.113.9"],
    ["not what stands left of that, which he may have sent", "10.0.0.1", "203.0.113.1, 203.0.113.9", "203.0.113.9"],
    ["the first proxy, when all are ours", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["an address with a port", "10.0.0.1", "203.0.113.9:1234", "203.0.113.9"],
    ["an IPv6 address with a port", "10.0.0.1", "[2a00::5]:1234", "2a00::5"],
    ["the last that is known, when a proxy writes something else", "10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"],
    ["the last that is known, behind one that does", "10.0.0.1", "evil, 10.0.0.2", "10.0.0.2"],
    ["the last that is known, when there is nothing", "10.0.0.1", " ,", "10.0.0.1"],
    ["no interface of this machine", "10.0.0.1", "fe80::1%eth0", "10.0.0.1"],
  ])("is %s", (_, peer, forwarded, expected) => {
    expect(remote(OURS, peer, forwarded)).toBe(expected);
  });

  it.each(["10.0.0.0/33", "10.0.0", "proxy.example.com", "2001:db8::/129", "10.0.0.1,", "::1%lo", "10.0.0.1/"])(
    "a setting of %s stops the start, and says so",
    (proxies) => {
      expect(() => read(proxies)).toThrow(/^--limits-trusted-proxies: limits\.trusted_proxies must be .* is neither$/);
    },
  );
});

let guesses = 0;
const guess = (backstay: TestBackstay, forwarded: string) => {
  // Another login each time: guesses at one are counted apart.
  const body = { login: `nobody-${guesses++}`, secret: "a guess" };
  return call(backstay.url, "auth.v1.AuthService/SignIn", body, { "x-forwarded-for": forwarded });
};

/** How many guesses of as many addresses are heard before one is refused for being too many. */
async function heard(backstay: TestBackstay, most: number): Promise<number> {
  for (let n = 0; n < most; n++) if ((await guess(backstay, `203.0.113.${n + 1}`)).status === 429) return n;
  return most;
}

describe("case 22: a caller who says that he speaks for others", () => {
  let backstay: TestBackstay;
  beforeAll(async () => {
    backstay = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "3" });
  });
  afterAll(() => backstay.stop());

  it("is counted by the address of his connection, as he is no proxy that is trusted", async () => {
    expect(await heard(backstay, 20)).toBe(3);
  });
});

describe("a proxy that is trusted", () => {
  let backstay: TestBackstay;
  beforeAll(async () => {
    const settings = {
      "limits.rate": "on",
      "limits.secrets_per_minute": "3",
      "limits.trusted_proxies": "127.0.0.0/8,::1",
    };
    backstay = await startBackstay(settings);
  });
  afterAll(() => backstay.stop());

  it("has each of those it serves counted apart", async () => {
    expect(await heard(backstay, 20)).toBe(20);
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await guess(backstay, "203.0.113.1")).status);
    expect(statuses).toEqual([401, 401, 429]);
  });
});
