import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import { decodePageToken, encodePageToken } from "../../server/kernel/page-token.js";
import { fc } from "../support/properties.js";

const key = instanceKey(Buffer.alloc(32, 1));
const otherKey = instanceKey(Buffer.alloc(32, 2));
const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
const query = fc.dictionary(fc.string({ minLength: 1 }), value, { noNullPrototype: true });
const keyset = fc.array(fc.oneof(fc.string(), fc.maxSafeInteger()), { minLength: 1, maxLength: 4 });

function reasonOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof DomainError) return error.reason;
    throw error;
  }
  return "";
}

describe("a page token", () => {
  it("gives back the keyset it was made of, whatever the order of the query's fields", () => {
    fc.assert(
      fc.property(query, keyset, (fields, place) => {
        const reversed = Object.fromEntries(Object.entries(fields).reverse());
        expect(decodePageToken(key, reversed, encodePageToken(key, fields, place))).toEqual(place);
      }),
    );
  });

  it("stands in a URL as it is", () => {
    fc.assert(
      fc.property(query, keyset, (fields, place) => {
        expect(encodePageToken(key, fields, place)).toMatch(/^[A-Za-z0-9_-]+$/);
      }),
    );
  });

  it("is refused by every other query", () => {
    fc.assert(
      fc.property(query, query, keyset, (fields, others, place) => {
        const sorted = (one: object) => JSON.stringify(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
        fc.pre(sorted(fields) !== sorted(others));
        const token = encodePageToken(key, fields, place);
        expect(reasonOf(() => decodePageToken(key, others, token))).toBe("INVALID_PAGE_TOKEN");
      }),
    );
  });

  it("is refused when a bit of it was turned over", () => {
    fc.assert(
      fc.property(query, keyset, fc.nat(), (fields, place, bit) => {
        const bytes = Buffer.from(encodePageToken(key, fields, place), "base64url");
        const at = bit % (bytes.length * 8);
        bytes[at >> 3]! ^= 1 << (at & 7);
        expect(reasonOf(() => decodePageToken(key, fields, bytes.toString("base64url")))).toBe("INVALID_PAGE_TOKEN");
      }),
    );
  });

  it("is refused when it breaks off", () => {
    const token = encodePageToken(key, { list: "x" }, [1]);
    for (let length = 1; length < token.length; length++) {
      expect(reasonOf(() => decodePageToken(key, { list: "x" }, token.slice(0, length)))).toBe("INVALID_PAGE_TOKEN");
    }
  });

  it("is refused by an installation with another key", () => {
    const token = encodePageToken(otherKey, { list: "x" }, [1]);
    expect(reasonOf(() => decodePageToken(key, { list: "x" }, token))).toBe("INVALID_PAGE_TOKEN");
  });

  it("is never made by chance", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 200 }), (text) => {
        expect(reasonOf(() => decodePageToken(key, { list: "x" }, text))).toBe("INVALID_PAGE_TOKEN");
      }),
    );
  });

  it("that is empty is the first page", () => {
    expect(decodePageToken(key, { list: "x" }, "")).toBeUndefined();
  });
});
