import type { Ctx } from "../../context.js";
import type { KeptTotp } from "./store-totp.js";

/** What authenticator apps take without being told: SHA-1, six digits, 30 seconds. */
const KIND = { algorithm: "sha1", digits: 6, period: 30 } as const;
const FORM = /^\d{6}$/;

/** Loaded by the first who needs it: a server without authenticators never does. */
const otplib = () => import("otplib");

/** A new secret of 160 bits, in base32. */
export async function drawTotpSecret(): Promise<string> {
  const { generateSecret } = await otplib();
  return generateSecret();
}

/** The secret as an authenticator app reads it from a QR code, named after the installation and the account. */
export async function totpUri(secret: string, issuer: string, label: string): Promise<string> {
  const { generateURI } = await otplib();
  // A colon parts the two.
  const plain = (text: string) => text.replaceAll(":", " ");
  return generateURI({ ...KIND, issuer: plain(issuer), label: plain(label), secret });
}

/** The time step that a code is of: that of now, or the one before or after it. Undefined when it is of none of these. */
export async function stepOf(
  ctx: Pick<Ctx, "key" | "clock">,
  kept: KeptTotp,
  code: string,
): Promise<number | undefined> {
  if (!FORM.test(code)) return undefined;
  const { verifySync } = await otplib();
  const secret = openSecret(ctx, kept);
  const epoch = Math.floor(ctx.clock.now().getTime() / 1_000);
  const found = verifySync({ ...KIND, secret, token: code, epoch, epochTolerance: KIND.period });
  return found.valid && "timeStep" in found ? found.timeStep : undefined;
}

/** The secret of an authenticator, in base32. Throws when no key of the ring opens it: nothing proves anything then. */
export function openSecret({ key }: Pick<Ctx, "key">, { secretSealed, accountId }: KeptTotp): string {
  const secret = key.open("totp-secret", secretSealed, accountId);
  if (secret === undefined) throw new Error("an authenticator's secret is sealed under no key of the ring");
  return secret;
}
