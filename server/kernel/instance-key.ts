import { createHash, timingSafeEqual } from "node:crypto";
import { type SealingKey, sealingKey } from "./sealing-key.js";

/**
 * The installation's own key: a ring of the current secret, under which everything is made, and of previous ones, which are
 * accepted while the current one takes their place.
 */
export interface InstanceKey {
  /** A 16-hex-digit name for the current secret, safe to store and to show. */
  readonly fingerprint: string;
  /** The same of the previous ones. */
  readonly previous: readonly string[];
  /** What every seal of the current secret begins with, and no other does: rows are told apart by it. */
  readonly sealPrefix: Buffer;
  /** HMAC-SHA-256 of `data` under the current key of `use`. */
  mac(use: KeyUse, data: string | Uint8Array): Buffer;
  /** The same under every secret of the ring, the current one first: for what has to be found by its MAC. */
  macs(use: KeyUse, data: string | Uint8Array): Buffer[];
  /**
   * Whether `mac` is of `data`, under any secret of the ring. It may be the first bytes of one, as many as whoever made it kept;
   * fewer than 6 are never right.
   */
  verifies(use: KeyUse, data: string | Uint8Array, mac: Uint8Array): boolean;
  /** Encrypts what must be read again (AES-256-GCM). `boundTo` names whose it is: copied elsewhere, it does not open. */
  seal(use: SealUse, plain: string, boundTo: string): Buffer;
  /** What was sealed; undefined when it is damaged, of no secret of the ring, of another use or somebody else's. */
  open(use: SealUse, sealed: Uint8Array, boundTo: string): string | undefined;
}

/** What the instance key is used for. */
export type KeyUse =
  | "page-token"
  | "event-cursor"
  | "refresh-child"
  | "idempotency"
  | "device-token"
  | "sign-in-tries"
  | "rate-bucket"
  | "one-time-code"
  | "audit-head"
  | "fingerprint";

/** What is sealed with it. */
export type SealUse = "signing-secret" | "totp-secret" | "api-key" | "challenge" | "typed-login" | "mail-address";

/** Fewer bytes of a MAC prove nothing. */
const LEAST_MAC_BYTES = 6;

/** The ring of a current and of previous secrets, each of at least 32 random bytes. Throws when one is shorter. */
export function instanceKey(secret: Uint8Array, previous: readonly Uint8Array[] = []): InstanceKey {
  const current = sealingKey(secret);
  const ring = [current];
  for (const key of previous.map(sealingKey)) if (!ring.some(isSame(key))) ring.push(key);
  const macs = (use: KeyUse, data: string | Uint8Array) => ring.map((key) => key.mac(use, data));
  return {
    fingerprint: current.fingerprint,
    previous: ring.slice(1).map((key) => key.fingerprint),
    sealPrefix: current.sealPrefix,
    mac: current.mac,
    macs,
    verifies(use, data, mac) {
      if (mac.length < LEAST_MAC_BYTES) return false;
      return ring.some((key) => sameBytes(key.mac(use, data).subarray(0, mac.length), mac));
    },
    seal: current.seal,
    open(use, sealed, boundTo) {
      for (const key of ring) {
        const plain = key.open(use, sealed, boundTo);
        if (plain !== undefined) return plain;
      }
      return undefined;
    },
  };
}

function isSame({ fingerprint }: SealingKey): (other: SealingKey) => boolean {
  return (other) => other.fingerprint === fingerprint;
}

/** SHA-256, for tokens that are random enough to need no slower hash. */
export function sha256(data: string | Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}

/** Compares without telling by its time where two values differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
