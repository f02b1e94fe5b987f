import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** The installation's own secret. Each use gets a key of its own, so that none can be turned into another. */
export interface InstanceKey {
  /** A 16-hex-digit name for the secret, safe to store and to show. */
  readonly fingerprint: string;
  /** HMAC-SHA-256 of `data` under the key of `use`. */
  mac(use: KeyUse, data: string | Uint8Array): Buffer;
}

/** What the instance key is used for. */
export type KeyUse = "page-token" | "event-cursor" | "refresh-child" | "idempotency" | "fingerprint";

/** The instance key made from 32 random bytes. */
export function instanceKey(secret: Uint8Array): InstanceKey {
  if (secret.length < 32) throw new Error("the instance secret must have at least 32 bytes");
  const keys = new Map<KeyUse, Buffer>();
  const key = (use: KeyUse): Buffer => {
    let derived = keys.get(use);
    if (derived === undefined) {
      derived = Buffer.from(hkdfSync("sha256", secret, "backstay", `backstay/${use}/v1`, 32));
      keys.set(use, derived);
    }
    return derived;
  };
  const mac = (use: KeyUse, data: string | Uint8Array) => createHmac("sha256", key(use)).update(data).digest();
  return { fingerprint: mac("fingerprint", "").toString("hex").slice(0, 16), mac };
}

/** SHA-256, for tokens that are random enough to need no slower hash. */
export function sha256(data: string | Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}

/** Compares without telling by its time where two values differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
