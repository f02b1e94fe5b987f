import { expect, it } from "vitest";
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
