import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import {
  type Carrier,
  canonicalString,
  checkBody,
  checkExpiry,
  type Dialect,
  isSignedWith,
  isWeak,
  isWide,
  parseSignature,
  type SignedRequest,
} from "../../server/kernel/signature.js";

interface Vector extends SignedRequest {
  name: string;
  dialect: Dialect;
  transport: Carrier;
  login: string;
  header: string;
  secret: string;
  body: string;
  now: number;
  valid: boolean;
  why: string;
}

const file = new URL("../vectors/signature.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Vector[] };

/** The reason `work` throws. */
function reasonOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as DomainError).reason;
  }
}

/** Why the first stage refuses a request; undefined when it does not. A server looks for the secret by the login that is sent. */
function refusal(vector: Vector, dialect?: Dialect): string | undefined {
  const body = Buffer.from(vector.body);
  return reasonOf(() => {
    const signature = parseSignature(vector.header, vector.transport, dialect);
    checkExpiry(signature, vector.now);
    checkBody(signature, body);
    const secret = signature.login === vector.login ? vector.secret : "other-secret";
    if (!isSignedWith(secret, signature, vector, body)) throw new DomainError("INVALID_SIGNATURE");
  });
}

describe("the vectors of the predecessor", () => {
  it("are all 108 there", () => {
    expect(cases).toHaveLength(108);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(108);
  });

  it.each(cases)("$dialect $name: $why", (vector) => {
    expect(refusal(vector, vector.dialect) === undefined).toBe(vector.valid);
  });

  // At its very end is the one point where a request does not say which dialect it speaks, and the later one is kinder.
  it.each(cases.filter(({ name }) => name !== "093-expires-equals-now"))(
    "$name is judged the same by a server, which is not told the dialect",
    (vector) => {
      expect(refusal(vector) === undefined).toBe(vector.valid);
    },
  );
});

describe("the text of a signature", () => {
  it.each([
    ["an expiry of 0, which the predecessor never let end", "4||ada|x|0||"],
    ["an expiry that is no number", "4||ada|x|never||"],
    ["five pipes", "4||ada|x|1|"],
    ["a line feed, which a URL can carry", "4|tag\n|ada|x|1||"],
    ["nothing", ""],
  ])("is malformed with %s", (_, text) => {
    expect(reasonOf(() => parseSignature(text, "header"))).toBe("MALFORMED_SIGNATURE");
  });

  it("case 44: is malformed with a login that has a pipe or a line feed, which could move what stands behind it", () => {
    const texts = ["4||ada|eve|x|4102444800000||", "4||ada\neve|x|4102444800000||", "1||ada\r\neve|x|4102444800000||"];
    for (const text of texts) expect(reasonOf(() => parseSignature(text, "header"))).toBe("MALFORMED_SIGNATURE");
  });

  it.each<[string, Carrier]>([
    ["0", "header"],
    ["5", "header"],
    ["toString", "header"],
    ["2", "header"],
    ["2", "query"],
    ["2", "access-token"],
    ["3", "session"],
    ["4", "session"],
    ["4", "access-token"],
    ["1", "access-token"],
  ])("has no version %s that may come by %s", (version, carrier) => {
    expect(reasonOf(() => parseSignature(`${version}||ada|x|1||`, carrier))).toBe("SIGNATURE_VERSION");
  });

  it("tells the dialect by version, carrier and length of the digest", () => {
    const short = "x".repeat(28);
    const told = (version: string, carrier: Carrier, digest: string) => {
      const signature = parseSignature(`${version}||ada|${digest}|1||`, carrier);
      return [signature.dialect, isWide(signature), isWeak(signature)];
    };
    expect(told("1", "header", short)).toEqual(["1.x", false, true]);
    expect(told("1", "session", short)).toEqual(["1.x", false, true]);
    expect(told("2", "session", "x".repeat(44))).toEqual(["1.x", true, false]);
    expect(told("2", "session", short)).toEqual(["0.9.3", true, true]);
    expect(told("3", "header", short)).toEqual(["0.9.3", false, false]);
    expect(told("3", "query", short)).toEqual(["0.9.3", false, false]);
    expect(told("3", "access-token", short)).toEqual(["1.x", true, false]);
    expect(told("4", "query", short)).toEqual(["1.x", false, false]);
  });
});

describe("the host that is signed", () => {
  const lineOf = (version: string, carrier: Carrier, at: number) => (host: string) => {
    const signature = parseSignature(`${version}||ada|x|1||`, carrier);
    const request = { method: "GET", host, path: "/", query: "", contentType: "" };
    return canonicalString(signature, request, Buffer.of()).split("\n")[at];
  };
  const host = lineOf("4", "header", 4);
  const domain = lineOf("2", "session", 4);

  it("is whole, without its port", () => {
    expect(host("[::1]:8000")).toBe("[::1]");
    expect(host("API.Example.com:8000")).toBe("api.example.com");
  });

  it.each([
    ["www.example.com", "example.com"],
    ["example.com", "example.com"],
    ["a.b.example.com", "b.example.com"],
    ["localhost:8000", "localhost"],
    // Whoever may sign for the level above signs for strangers.
    ["example.co.uk", "example.co.uk"],
    ["www.example.co.uk", "example.co.uk"],
    ["ada.github.io", "ada.github.io"],
    ["www.ada.github.io", "ada.github.io"],
    ["a.b.kobe.jp", "a.b.kobe.jp"],
    ["127.0.0.1:8000", "127.0.0.1"],
    ["[::1]:8000", "[::1]"],
  ])("of %s as a domain is %s", (sent, signed) => {
    expect(domain(sent)).toBe(signed);
  });
});
