import { describe, expect, it } from "vitest";
import { parseId, uuidV7Ids } from "../../server/kernel/ids.js";
import { fc } from "../support/properties.js";

const LAST_MS = 2 ** 48 - 1;

describe("a new id", () => {
  it("is a UUIDv7 as 32 lower-case hex digits that begins with its time", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LAST_MS }), (now) => {
        const id = uuidV7Ids(() => now).next();
        expect(id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
        expect(Number.parseInt(id.slice(0, 12), 16)).toBe(now);
      }),
    );
  });

  it("sorts after those of the milliseconds before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LAST_MS - 1 }), fc.integer({ min: 1, max: 1_000_000 }), (now, later) => {
        fc.pre(now + later <= LAST_MS);
        expect(uuidV7Ids(() => now).next() < uuidV7Ids(() => now + later).next()).toBe(true);
      }),
    );
  });

  it("sorts after those that were made before it in its millisecond", () => {
    let now = 1_700_000_000_000;
    const ids = uuidV7Ids(() => now);
    for (; now < 1_700_000_000_020; now++) {
      const made = Array.from({ length: 2_000 }, () => ids.next());
      expect([...made].sort()).toEqual(made);
    }
  });

  it("is no other's, also in the same millisecond", () => {
    const ids = uuidV7Ids(() => 1_700_000_000_000);
    const made = Array.from({ length: 20_000 }, () => ids.next());
    expect(new Set(made).size).toBe(made.length);
  });

  it("does not change when others are made after it", () => {
    const ids = uuidV7Ids();
    const first = ids.next();
    const kept = `${first}`;
    for (let n = 0; n < 1_000; n++) ids.next();
    expect(first).toBe(kept);
  });
});

describe("an id as a caller writes it", () => {
  const id = fc.stringMatching(/^[0-9a-f]{32}$/);

  it("is itself in our spelling, and loses a UUID's dashes and capitals", () => {
    fc.assert(
      fc.property(id, (text) => {
        const dashed = text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
        expect(parseId(text)).toBe(text);
        expect(parseId(dashed)).toBe(text);
        expect(parseId(dashed.toUpperCase())).toBe(text);
        expect(parseId(text.toUpperCase())).toBe(text);
      }),
    );
  });

  it("names nothing in any other form", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 64 }), (text) => {
        expect(parseId(text)).toBe(/^[0-9a-f]{32}$/i.test(text) ? text.toLowerCase() : undefined);
      }),
    );
    for (const text of [
      "",
      "me",
      "0".repeat(31),
      "0".repeat(33),
      `${"0".repeat(31)}g`,
      ` ${"0".repeat(32)}`,
      `${"0".repeat(32)}\n`,
      `${"0".repeat(8)}-${"0".repeat(24)}`,
    ]) {
      expect(parseId(text), text).toBeUndefined();
    }
  });
});
