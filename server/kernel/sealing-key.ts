import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import type { KeyUse, SealUse } from "./instance-key.js";

/** One secret, and what is made under it. */
export interface SealingKey {
  /** A 16-hex-digit name for the secret, safe to store and to show. */
  readonly fingerprint: string;
  /** What every seal under it begins with: its format, and four bytes of the key's name. */
  readonly sealPrefix: Buffer;
  mac(use: KeyUse, data: string | Uint8Array): Buffer;
  seal(use: SealUse, plain: string, boundTo: string): Buffer;
  /** Undefined for what was sealed under another. */
  open(use: SealUse, sealed: Uint8Array, boundTo: string): string | undefined;
}

/** The first byte of a seal. The first format does not say which key it is of. */
const NAMELESS = 1;
const NAMED = 2;
const NAME_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The key made from at least 32 random bytes. Each use gets a key of its own, so that none can be turned into another. */
export function sealingKey(secret: Uint8Array): SealingKey {
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
  const name = mac("fingerprint", "").subarray(0, 8);
  const sealPrefix = Buffer.concat([Buffer.of(NAMED), name.subarray(0, NAME_BYTES)]);
  const hasName = (sealed: Uint8Array) => sealPrefix.equals(sealed.subarray(0, sealPrefix.length));
  return {
    fingerprint: name.toString("hex"),
    sealPrefix,
    mac,

    seal(use, plain, boundTo) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key(use), nonce).setAAD(boundData(NAMED, use, boundTo));
      const text = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return Buffer.concat([sealPrefix, nonce, text, cipher.getAuthTag()]);
    },

    open(use, sealed, boundTo) {
      const format = sealed[0] === NAMELESS ? NAMELESS : NAMED;
      if (format === NAMED && !hasName(sealed)) return undefined;
      const body = sealed.subarray(format === NAMED ? sealPrefix.length : 1);
      if (body.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = body.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv("aes-256-gcm", key(use), nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(boundData(format, use, boundTo)).setAuthTag(body.subarray(-TAG_BYTES));
      try {
        const text = decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES));
        return Buffer.concat([text, decipher.final()]).toString("utf8");
      } catch {
        return undefined;
      }
    },
  };
}

function boundData(format: number, use: SealUse, boundTo: string): Buffer {
  return Buffer.from(`${format} ${use} ${boundTo}`);
}
