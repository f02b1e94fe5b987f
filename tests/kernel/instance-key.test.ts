import { describe, expect, it } from "vitest";
import { instanceKey, type KeyUse, sameBytes } from "../../server/kernel/instance-key.js";

const USES: KeyUse[] = ["page-token", "event-cursor", "refresh-child", "idempotency", "fingerprint"];
const [first, second, third] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2), Buffer.alloc(32, 3)];

/** A seal of the first format, made by the code that wrote it. */
const NAMELESS = Buffer.from(
  "012ec8e7c0a3d67348c0acb78344ef7e6fcb6a1cb5b6466f4b38c4a572ccf429123d02ca3ed430d98fcc47f2b6d8321755",
  "hex",
);

it("the instance key makes another code of the same data for each use and each secret", () => {
  const keys = [instanceKey(Buffer.alloc(32, 1)), instanceKey(Buffer.alloc(32, 2))];
  const codes = keys.flatMap((key) => USES.map((use) => key.mac(use, "data").toString("hex")));
  expect(new Set(codes).size).toBe(10);
  expect(keys[0]!.mac("page-token", "data")).toEqual(instanceKey(Buffer.alloc(32, 1)).mac("page-token", "data"));
});

it("its fingerprint names the secret and is not the secret", () => {
  const secret = Buffer.alloc(32, 0xab);
  const { fingerprint } = instanceKey(secret);
  expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
  expect(fingerprint).not.toBe(instanceKey(Buffer.alloc(32, 0xac)).fingerprint);
  expect(secret.toString("hex")).not.toContain(fingerprint);
});

it("a secret of fewer than 32 bytes is refused", () => {
  expect(() => instanceKey(Buffer.alloc(31))).toThrow("at least 32 bytes");
});

it("bytes are the same only when all are", () => {
  expect(sameBytes(Buffer.from("abc"), Buffer.from("abc"))).toBe(true);
  expect(sameBytes(Buffer.from("abc"), Buffer.from("abd"))).toBe(false);
  expect(sameBytes(Buffer.from("abc"), Buffer.from("abcd"))).toBe(false);
  expect(sameBytes(Buffer.alloc(0), Buffer.alloc(0))).toBe(true);
});

describe("what is sealed", () => {
  const key = instanceKey(Buffer.alloc(32, 1));
  const sealed = key.seal("signing-secret", "geheim, строго", "account-a");

  it("opens again under the same key, use and owner", () => {
    expect(key.open("signing-secret", sealed, "account-a")).toBe("geheim, строго");
    expect(instanceKey(Buffer.alloc(32, 1)).open("signing-secret", sealed, "account-a")).toBe("geheim, строго");
  });

  it("begins with its format and the name of its key, and is never the same twice", () => {
    expect(sealed[0]).toBe(2);
    expect(sealed.subarray(1, 5).toString("hex")).toBe(key.fingerprint.slice(0, 8));
    expect(sealed.subarray(0, 5)).toEqual(key.sealPrefix);
    expect(sealed.toString("latin1")).not.toContain("geheim");
    expect(key.seal("signing-secret", "geheim, строго", "account-a")).not.toEqual(sealed);
  });

  it("does not open for another account, though the row was copied there", () => {
    expect(key.open("signing-secret", sealed, "account-b")).toBeUndefined();
  });

  it("does not open under another instance key", () => {
    expect(instanceKey(Buffer.alloc(32, 2)).open("signing-secret", sealed, "account-a")).toBeUndefined();
  });

  it("does not open when any of its bytes was changed, or some are missing", () => {
    for (const whole of [sealed, NAMELESS]) {
      for (let at = 0; at < whole.length; at++) {
        const damaged = Buffer.from(whole);
        damaged[at]! ^= 1;
        expect(key.open("signing-secret", damaged, "account-a")).toBeUndefined();
        expect(key.open("signing-secret", whole.subarray(0, at), "account-a")).toBeUndefined();
      }
    }
  });

  it("opens also in the first format, which does not name its key", () => {
    expect(key.open("signing-secret", NAMELESS, "account-a")).toBe("geheim, строго");
    expect(instanceKey(third, [second, first]).open("signing-secret", NAMELESS, "account-a")).toBe("geheim, строго");
    expect(key.open("signing-secret", NAMELESS, "account-b")).toBeUndefined();
    expect(key.open("totp-secret", NAMELESS, "account-a")).toBeUndefined();
    expect(instanceKey(second).open("signing-secret", NAMELESS, "account-a")).toBeUndefined();
  });

  it("for one use does not open for another", () => {
    expect(key.open("totp-secret", sealed, "account-a")).toBeUndefined();
  });
});

describe("a ring", () => {
  const ring = instanceKey(second, [first]);

  it("makes everything under its current key", () => {
    expect(ring.fingerprint).toBe(instanceKey(second).fingerprint);
    expect(ring.previous).toEqual([instanceKey(first).fingerprint]);
    expect(ring.mac("page-token", "data")).toEqual(instanceKey(second).mac("page-token", "data"));
    const sealed = ring.seal("api-key", "text", "key-a");
    expect(instanceKey(second).open("api-key", sealed, "key-a")).toBe("text");
    expect(instanceKey(first).open("api-key", sealed, "key-a")).toBeUndefined();
  });

  it("accepts what was made under any of its keys, and nothing else", () => {
    for (const [secret, accepted] of [
      [first, true],
      [second, true],
      [third, false],
    ] as const) {
      const other = instanceKey(secret);
      const mac = other.mac("event-cursor", "data");
      expect(ring.verifies("event-cursor", "data", mac)).toBe(accepted);
      expect(ring.verifies("event-cursor", "data", mac.subarray(0, 6))).toBe(accepted);
      const sealed = other.seal("totp-secret", "text", "account-a");
      expect(ring.open("totp-secret", sealed, "account-a")).toBe(accepted ? "text" : undefined);
    }
  });

  it("accepts no code of other data, of another use, too long or too short to prove anything", () => {
    const mac = ring.mac("page-token", "data");
    expect(ring.verifies("page-token", "date", mac)).toBe(false);
    expect(ring.verifies("event-cursor", "data", mac)).toBe(false);
    expect(ring.verifies("page-token", "data", Buffer.concat([mac, Buffer.of(0)]))).toBe(false);
    for (let length = 0; length < 6; length++) {
      expect(ring.verifies("page-token", "data", mac.subarray(0, length))).toBe(false);
    }
  });

  it("tells the codes under all of its keys, the current one's first, and each key once", () => {
    const codes = [second, first].map((secret) => instanceKey(secret).mac("refresh-child", "parent"));
    expect(ring.macs("refresh-child", "parent")).toEqual(codes);
    expect(instanceKey(second, [second, first, first]).macs("refresh-child", "parent")).toEqual(codes);
    expect(instanceKey(first, [first]).previous).toEqual([]);
  });

  it("takes no previous secret of fewer than 32 bytes either", () => {
    expect(() => instanceKey(first, [Buffer.alloc(31)])).toThrow("at least 32 bytes");
  });
});
