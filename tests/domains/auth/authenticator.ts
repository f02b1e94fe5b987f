import { createHmac } from "node:crypto";
import type { TestBackstay } from "../../support/backstay.js";
import { curl, type testClock } from "../support.js";

type Clock = ReturnType<typeof testClock>;

/** What an authenticator app shows for a secret in base32, made from RFC 6238 and RFC 4226 and not by a library. */
export function codeAt(secret: string, time: Date): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(time.getTime() / 30_000)));
  const mac = createHmac("sha1", fromBase32(secret)).update(counter).digest();
  const at = mac[19]! & 15;
  return String((mac.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, "0");
}

/** A code that is none of those the app shows about now. */
export function wrongCodeAt(secret: string, time: Date): string {
  const near = [-1, 0, 1].map((step) => codeAt(secret, new Date(time.getTime() + step * 30_000)));
  return ["000000", "111111", "222222", "333333"].find((code) => !near.includes(code))!;
}

/** A person's authenticator app. */
export interface Authenticator {
  secret: string;
  recoveryCodes: string[];
  /** What it shows. */
  code(): string;
  /** What it does not show. */
  wrong(): string;
}

/** Turns an authenticator on, and lets half a minute pass, so that the next code is another. */
export async function turnOn(backstay: TestBackstay, token: string, clock: Clock): Promise<Authenticator> {
  const { secret } = await curl<{ secret: string }>(backstay, "auth.v1.AuthService/EnrollTotp", {}, token);
  const code = () => codeAt(secret, clock.now());
  const { recoveryCodes } = await curl<{ recoveryCodes: string[] }>(
    backstay,
    "auth.v1.AuthService/ConfirmTotp",
    { code: code() },
    token,
  );
  clock.advance(30_000);
  return { secret, recoveryCodes, code, wrong: () => wrongCodeAt(secret, clock.now()) };
}

function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"),
  );
  return Buffer.from(
    bits
      .join("")
      .match(/.{8}/g)!
      .map((byte) => Number.parseInt(byte, 2)),
  );
}
