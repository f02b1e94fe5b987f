import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { DomainError } from "../../server/kernel/errors.js";
import { checkHttpBody, checkHttpTime, isMadeWith, readHttpSignature } from "../../server/kernel/http-signature.js";
import {
  type SignableRequest,
  signatureBase,
  signatureMac,
  sortedByName,
} from "../../server/kernel/http-signature-base.js";

interface Vector extends SignableRequest {
  name: string;
  why: string;
  key: string;
  body: string;
  now: number;
  base: string;
  valid: boolean;
  reason: string;
}

const file = new URL("../vectors/http-signature.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Vector[] };

/** Why a request is refused; empty when it is not. */
function refusal(vector: Vector, key = vector.key): string {
  try {
    const signature = readHttpSignature(vector);
    checkHttpTime(signature, vector.now);
    checkHttpBody(signature, Buffer.from(vector.body));
    return isMadeWith(key, signature) ? "" : "INVALID_SIGNATURE";
  } catch (error) {
    return (error as DomainError).reason;
  }
}

describe("the vectors of HTTP message signatures", () => {
  it("are 84, of which 35 are right", () => {
    expect(cases).toHaveLength(84);
    expect(cases.filter(({ valid }) => valid)).toHaveLength(35);
  });

  it.each(cases)("$name $why", (vector) => {
    expect(refusal(vector)).toBe(vector.reason);
    expect(vector.reason === "").toBe(vector.valid);
  });

  it.each(cases.filter(({ valid }) => valid))("$name is of this text, and of no other key", (vector) => {
    const { components, text } = readHttpSignature(vector);
    const queries = [vector.query, sortedByName(vector.query)];
    expect(queries.map((query) => signatureBase({ ...vector, query }, components, text))).toContain(vector.base);
    expect(refusal(vector, `${vector.key}x`)).toBe("INVALID_SIGNATURE");
  });
});

it("agrees with RFC 9421, B.2.5: signing a request using hmac-sha256", () => {
  const key = Buffer.from(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    "base64",
  );
  const request = {
    method: "POST",
    authority: "example.com",
    path: "/foo",
    query: "param=Value&Pet=dog",
    headers: { date: "Tue, 20 Apr 2021 02:07:55 GMT", "content-type": "application/json", "content-length": "18" },
  };
  const components = ["date", "@authority", "content-type"];
  const text = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"';
  const base = signatureBase(request, components, text);
  expect(base).toBe(
    [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
      `"@signature-params": ${text}`,
    ].join("\n"),
  );
  expect(signatureMac(key, base).toString("base64")).toBe("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
});

it("is one: a header with several says so, however they are told apart", () => {
  const { headers, ...request } = cases.find(({ valid }) => valid)!;
  const one = headers["signature-input"] as string;
  for (const several of [`${one}, other=("@method");created=1`, `${one},${one}`, `${one.replaceAll(" ", "")}, x`]) {
    const read = () => readHttpSignature({ ...request, headers: { ...headers, "signature-input": several } });
    expect(read).toThrow("several signatures, of which one is allowed");
  }
});

describe("a signature that is refused for its time", () => {
  it("case 40: comes with the server's time", () => {
    const late = cases.find(({ name }) => name === "created-too-old")!;
    let refused: DomainError | undefined;
    try {
      checkHttpTime(readHttpSignature(late), late.now);
    } catch (error) {
      refused = error as DomainError;
    }
    expect(refused).toMatchObject({ kind: "unauthenticated", metadata: { serverTime: "2026-01-01T00:00:00.000Z" } });
  });
});

describe("a query sorted by name", () => {
  it("keeps the order of what has the same name, and every empty piece", () => {
    expect(sortedByName("b=1&a=2&a=1&=x&&B=0&b")).toBe("=x&&B=0&a=2&a=1&b=1&b");
    expect(sortedByName("")).toBe("");
  });
});
