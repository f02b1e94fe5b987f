import type { Ctx } from "../../context.js";
import { DomainError, type Reason } from "../../kernel/errors.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { checkSecret, foldLogin } from "../accounts/index.js";
import { knownDevice, renewedDeviceToken } from "./known-device.js";
import { noteSignIn } from "./note-sign-in.js";
import { openSignIn, type SignedIn } from "./open-sign-in.js";
import { outlasting } from "./outlasting.js";
import { checkSecondFactor } from "./second-factor.js";
import { beginTry } from "./throttle.js";
import { accountTried, recordThrottled } from "./tried-login.js";

/** For how long a browser keeps its device token. */
const DEVICE_TTL = 365 * 24 * 3_600_000;

/** What a try of the secret may end in. */
const COUNTED: readonly Reason[] = ["INVALID_CREDENTIALS", "ACCOUNT_BANNED"];

/** What the audit log has of what a sign-in may end in. */
const NOTED: readonly Reason[] = [...COUNTED, "INVALID_OTP"];

export interface SignInInput {
  login: string;
  secret: string;
  otp: string;
  cookie: boolean;
  deviceToken: string;
  deviceName: string;
}

/** Without a cookie, and where no tokens are shown, nothing but the account and the device token is answered. */
export async function signIn(
  ctx: Ctx,
  input: SignInInput,
): Promise<(SignedIn | Pick<SignedIn, "account">) & { deviceToken: string }> {
  if (input.cookie) ctx.session.check();
  checkOneLine(input.deviceName, "deviceName");
  const login = foldLogin(input.login);
  const shown = input.deviceToken || (ctx.kept.sent("device") ?? "");
  const device = knownDevice(ctx, login, shown);
  // A storm of sign-ins costs the database nothing: who would find no place is not counted, nor looked up.
  ctx.hasher.checkRoom(device === undefined ? "stranger" : "known");
  const tried = { purpose: "sign-in", subject: login, knownDevice: device } as const;
  const attempt = await beginTry(ctx, tried).catch(async (error) => {
    await recordThrottled(ctx, login, error);
    throw error;
  });
  let accountId: string | undefined;
  try {
    const known = await checkSecret(ctx, input.login, input.secret, { knownDevice: device !== undefined });
    if (known === undefined) throw new DomainError("INVALID_CREDENTIALS");
    accountId = known.accountId;
    await checkSecondFactor(ctx, { accountId, otp: input.otp, knownDevice: device });
    const { cookie, deviceName } = input;
    const earned = { ...known, method: "secret", cookie, deviceName } as const;
    const isHeld = cookie || !ctx.client.isCompat;
    const signedIn = isHeld ? await openSignIn(ctx, earned) : { account: await noteSignIn(ctx, earned) };
    await attempt.passed();
    const deviceToken = renewedDeviceToken(ctx, login, shown);
    if (cookie) ctx.kept.set("device", deviceToken, DEVICE_TTL);
    return { ...signedIn, deviceToken };
  } catch (error) {
    const reason = error instanceof DomainError ? error.reason : undefined;
    // What was not compared is no guess. Nor is the right secret, whatever came of the code beside it: that is counted apart.
    if (reason === undefined || !COUNTED.includes(reason)) await attempt.giveBack();
    if (reason !== undefined && NOTED.includes(reason)) {
      const lasting = outlasting(ctx);
      accountId ??= await accountTried(lasting, login);
      await ctx.audit.record(lasting, { type: "sign_in.failed", accountId, detail: { method: "secret", reason } });
    }
    throw error;
  }
}
