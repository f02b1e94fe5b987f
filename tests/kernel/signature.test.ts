import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import {
  canonicalString,
  checkBody,
  checkExpiry,
  isSignedWith,
  parseSignature,
  type SignedRequest,
} from "../../server/kernel/signature.js";

interface Vector extends SignedRequest {
  name: string;
  dialect: string;
  version: number;
  header: string;
  secret: string;
  body: string;
  now: number;
  valid: boolean;
  why: string;
}

const file = new URL("../vectors/signature.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Vector[] };
const isFour = (vector: Vector) => vector.dialect === "1.x" && vector.version === 4;

/** The reason `work` throws. */
function reasonOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as DomainError).reason;
  }
}

/** Why the first stage refuses a request; undefined when it does not. */
function refusal(vector: Vector): string | undefined {
  const body = Buffer.from(vector.body);
  return reasonOf(() => {
    const signature = parseSignature(vector.header);
    checkExpiry(signature, vector.now);
    checkBody(signature, body);
    if (!isSignedWith(vector.secret, signature, vector, body)) throw new DomainError("INVALID_SIGNATURE");
  });
}

describe("a signature of version 4", () => {
  it.each(cases.filter(isFour))("$name: $why", (vector) => {
    expect(refusal(vector) === undefined).toBe(vector.valid);
  });

  it.each([
    ["an expiry of 0, which the predecessor never let end", "4||ada|x|0||"],
    ["an expiry that is no number", "4||ada|x|never||"],
    ["five pipes", "4||ada|x|1|"],
    ["a line feed, which a URL can carry", "4|tag\n|ada|x|1||"],
    ["nothing", ""],
  ])("with %s is malformed", (_, text) => {
    expect(reasonOf(() => parseSignature(text))).toBe("MALFORMED_SIGNATURE");
  });

  it("covers an IPv6 host whole, without its port", () => {
    const signature = parseSignature("4||ada|x|1||");
    const request = { method: "GET", host: "[::1]:8000", path: "/", query: "", contentType: "" };
    expect(canonicalString(signature, request, Buffer.of()).split("\n")[4]).toBe("[::1]");
  });
});

describe("another version", () => {
  const others = cases.filter((vector) => !isFour(vector));
  it.each(others)("is not taken yet: $name", (vector) => {
    expect(refusal(vector)).toBe("SIGNATURE_VERSION");
  });
});
