import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

/** The installation's own secret. Each use gets a key of its own, so that none can be turned into another. */
export interface InstanceKey {
  /** A 16-hex-digit name for the secret, safe to store and to show. */
  readonly fingerprint: string;
  /** HMAC-SHA-256 of `data` under the key of `use`. */
  mac(use: KeyUse, data: string | Uint8Array): Buffer;
  /** Encrypts what must be read again (AES-256-GCM). `boundTo` names whose it is: copied elsewhere, it does not open. */
  seal(use: SealUse, plain: string, boundTo: string): Buffer;
  /** What was sealed; undefined when it is damaged, of another key, of another use or somebody else's. */
  open(use: SealUse, sealed: Uint8Array, boundTo: string): string | undefined;
}

/** What the instance key is used for. */
export type KeyUse = "page-token" | "event-cursor" | "refresh-child" | "idempotency" | "fingerprint";

/** What is sealed with it. */
export type SealUse = "signing-secret";

/** The first byte of what is sealed: under which key, and how. */
const SEAL_VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The instance key made from 32 random bytes. */
export function instanceKey(secret: Uint8Array): InstanceKey {
  if (secret.length < 32) throw new Error("the instance secret must have at least 32 bytes");
  const keys = new Map<KeyUse | SealUse, Buffer>();
  const key = (use: KeyUse | SealUse): Buffer => {
    let derived = keys.get(use);
    if (derived === undefined) {
      derived = Buffer.from(hkdfSync("sha256", secret, "backstay", `backstay/${use}/v1`, 32));
      keys.set(use, derived);
    }
    return derived;
  };
  const mac = (use: KeyUse, data: string | Uint8Array) => createHmac("sha256", key(use)).update(data).digest();
  return {
    fingerprint: mac("fingerprint", "").toString("hex").slice(0, 16),
    mac,

    seal(use, plain, boundTo) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key(use), nonce).setAAD(boundData(use, boundTo));
      const text = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return Buffer.concat([Buffer.from([SEAL_VERSION]), nonce, text, cipher.getAuthTag()]);
    },

    open(use, sealed, boundTo) {
      if (sealed[0] !== SEAL_VERSION || sealed.length < 1 + NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
      const decipher = createDecipheriv("aes-256-gcm", key(use), nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(boundData(use, boundTo)).setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        const text = decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES));
        return Buffer.concat([text, decipher.final()]).toString("utf8");
      } catch {
        return undefined;
      }
    },
  };
}

function boundData(use: SealUse, boundTo: string): Buffer {
  return Buffer.from(`${SEAL_VERSION} ${use} ${boundTo}`);
}

/** SHA-256, for tokens that are random enough to need no slower hash. */
export function sha256(data: string | Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}

/** Compares without telling by its time where two values differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
