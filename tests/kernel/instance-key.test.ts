import { describe, expect, it } from "vitest";
import { instanceKey, type KeyUse, sameBytes } from "../../server/kernel/instance-key.js";

const USES: KeyUse[] = ["page-token", "event-cursor", "refresh-child", "idempotency", "fingerprint"];

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

  it("begins with its version, and is never the same twice", () => {
    expect(sealed[0]).toBe(1);
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
    for (let at = 0; at < sealed.length; at++) {
      const damaged = Buffer.from(sealed);
      damaged[at]! ^= 1;
      expect(key.open("signing-secret", damaged, "account-a")).toBeUndefined();
      expect(key.open("signing-secret", sealed.subarray(0, at), "account-a")).toBeUndefined();
    }
  });
});
