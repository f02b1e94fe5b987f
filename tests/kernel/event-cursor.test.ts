import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { decodeCursor, encodeCursor } from "../../server/kernel/event-cursor.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import { fc } from "../support/properties.js";

const key = instanceKey(Buffer.alloc(32, 1));
const cursor = fc.record({
  epoch: fc.stringMatching(/^[0-9a-f]{16}$/),
  offset: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});

function refused(text: string): boolean {
  try {
    decodeCursor(key, text);
    return false;
  } catch (error) {
    return (
      error instanceof DomainError && error.reason === "INVALID_CURSOR" && error.fields[0]?.field === "afterCursor"
    );
  }
}

describe("a cursor", () => {
  it("gives back where it stands", () => {
    fc.assert(
      fc.property(cursor, (place) => {
        expect(decodeCursor(key, encodeCursor(key, place))).toEqual(place);
      }),
    );
  });

  it("is 28 characters that stand in a header or URL as they are", () => {
    fc.assert(
      fc.property(cursor, (place) => {
        expect(encodeCursor(key, place)).toMatch(/^[A-Za-z0-9_-]{28}$/);
      }),
    );
  });

  it("is refused when a bit of it was turned over", () => {
    fc.assert(
      fc.property(cursor, fc.nat(21 * 8 - 1), (place, at) => {
        const bytes = Buffer.from(encodeCursor(key, place), "base64url");
        bytes[at >> 3]! ^= 1 << (at & 7);
        expect(refused(bytes.toString("base64url"))).toBe(true);
      }),
    );
  });

  it("is refused when it was made elsewhere, breaks off, or is none", () => {
    const elsewhere = encodeCursor(instanceKey(Buffer.alloc(32, 2)), { epoch: "0".repeat(16), offset: 1 });
    const own = encodeCursor(key, { epoch: "0".repeat(16), offset: 1 });
    for (const text of [elsewhere, "", own.slice(0, -4), `${own}AAAA`, "earliest", "0"])
      expect(refused(text), text).toBe(true);
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 128 }), refused));
  });
});
