import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type InstanceKey, instanceKey } from "../../server/kernel/instance-key.js";
import { turningKey } from "../../server/kernel/turning-key.js";

const before = instanceKey(Buffer.alloc(32, 1));
const after = instanceKey(Buffer.alloc(32, 2), [Buffer.alloc(32, 1)]);

describe("a key that turns while the process runs", () => {
  let ring: InstanceKey;
  let key: InstanceKey;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
    ring = before;
    key = turningKey(() => ring);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("opens and accepts at once what another process made under the new one", () => {
    ring = after;
    const sealed = after.seal("api-key", "text", "key-a");
    expect(key.open("api-key", sealed, "key-a")).toBe("text");

    ring = before;
    key = turningKey(() => ring);
    ring = after;
    expect(key.verifies("page-token", "data", after.mac("page-token", "data"))).toBe(true);
  });

  it("knows at once all that may have followed a refresh token, and its own names", () => {
    ring = after;
    expect(key.macs("refresh-child", "parent")).toEqual(after.macs("refresh-child", "parent"));
    expect(key.fingerprint).toBe(after.fingerprint);
    expect(key.previous).toEqual([before.fingerprint]);
    expect(key.sealPrefix).toEqual(after.sealPrefix);
  });

  it("makes nothing under the old one any more when a second has passed", () => {
    ring = after;
    vi.advanceTimersByTime(1_001);
    expect(key.mac("page-token", "data")).toEqual(after.mac("page-token", "data"));
    expect(key.seal("api-key", "text", "key-a").subarray(0, 5)).toEqual(after.sealPrefix);
  });

  it("still accepts what was made before it turned, and refuses what is of no key", () => {
    ring = after;
    expect(key.open("api-key", before.seal("api-key", "text", "key-a"), "key-a")).toBe("text");
    expect(key.verifies("page-token", "data", before.mac("page-token", "data"))).toBe(true);
    const stranger = instanceKey(Buffer.alloc(32, 3));
    expect(key.open("api-key", stranger.seal("api-key", "text", "key-a"), "key-a")).toBeUndefined();
    expect(key.verifies("page-token", "data", stranger.mac("page-token", "data"))).toBe(false);
  });
});
