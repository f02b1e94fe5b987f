import { randomBytes } from "node:crypto";
import type { Ctx } from "../../context.js";

/** What makes a device known: the keys that prove it, and the time. */
type Parts = Pick<Ctx, "key" | "clock">;

const PREFIX = "bs_dt_";
const NONCE_BYTES = 16;
/** Milliseconds since 1970 take six. */
const TIME_BYTES = 6;
const MAC_BYTES = 32;

const FORM = /^bs_dt_[A-Za-z0-9_-]{72}$/;

/** How long a device is known after a sign-in. */
const KNOWN_FOR = 365 * 24 * 3_600_000;

/** The device token for the next sign-in with this login on this device. It proves nothing but that there was one. */
export function newDeviceToken({ key, clock }: Parts, foldedLogin: string): string {
  const head = Buffer.alloc(NONCE_BYTES + TIME_BYTES);
  randomBytes(NONCE_BYTES).copy(head);
  head.writeUIntBE(clock.now().getTime(), NONCE_BYTES, TIME_BYTES);
  const mac = key.mac("device-token", proved(head, foldedLogin));
  return PREFIX + Buffer.concat([head, mac]).toString("base64url");
}

/** The same for a device that has shown `shown`: that one again while it is good for half its life, and a new one then. */
export function renewedDeviceToken(parts: Parts, foldedLogin: string, shown: string): string {
  const device = deviceOf(parts, foldedLogin, shown);
  const isGood = device?.isUnderCurrentKey && device.age < KNOWN_FOR / 2;
  return isGood ? shown : newDeviceToken(parts, foldedLogin);
}

/** Names the known device that a call comes from, when it shows a device token of this login; undefined when it does not. */
export function knownDevice(parts: Parts, foldedLogin: string, token: string): string | undefined {
  return deviceOf(parts, foldedLogin, token)?.name;
}

/** What a device token of this login says; undefined of every other text. */
function deviceOf({ key, clock }: Parts, foldedLogin: string, token: string) {
  if (!FORM.test(token)) return undefined;
  const bytes = Buffer.from(token.slice(PREFIX.length), "base64url");
  const head = bytes.subarray(0, NONCE_BYTES + TIME_BYTES);
  const mac = bytes.subarray(-MAC_BYTES);
  const age = clock.now().getTime() - head.readUIntBE(NONCE_BYTES, TIME_BYTES);
  if (age > KNOWN_FOR || !key.verifies("device-token", proved(head, foldedLogin), mac)) return undefined;
  const isUnderCurrentKey = key.mac("device-token", proved(head, foldedLogin)).equals(mac);
  return { name: head.toString("base64url", 0, NONCE_BYTES), age, isUnderCurrentKey };
}

/** What stands before the login is always as long, so no two of them are the same bytes. */
function proved(head: Buffer, foldedLogin: string): Buffer {
  return Buffer.concat([head, Buffer.from(foldedLogin)]);
}
