import type { Ctx } from "../../context.js";
import { DomainError, type Reason } from "../../kernel/errors.js";
import { checkSecret, foldLogin } from "../accounts/index.js";
import { knownDevice, renewedDeviceToken } from "./known-device.js";
import { openSignIn, type SignedIn } from "./open-sign-in.js";
import { outlasting } from "./outlasting.js";
import { checkSecondFactor } from "./second-factor.js";
import { beginTry } from "./throttle.js";
import { accountTried, recordThrottled } from "./tried-login.js";

/** For how long a browser keeps its device token. */
const DEVICE_TTL = 365 * 24 * 3_600_000;

/** What a try may end in that was compared. */
const REFUSALS: readonly Reason[] = ["INVALID_CREDENTIALS", "INVALID_OTP", "ACCOUNT_BANNED"];

export interface SignInInput {
  login: string;
  secret: string;
  otp: string;
  cookie: boolean;
  deviceToken: string;
  deviceName: string;
}

export async function signIn(ctx: Ctx, input: SignInInput): Promise<SignedIn & { deviceToken: string }> {
  if (input.cookie) ctx.session.check();
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
    const signedIn = await openSignIn(ctx, { ...known, method: "secret", cookie, deviceName });
    await attempt.passed();
    const deviceToken = renewedDeviceToken(ctx, login, shown);
    if (cookie) ctx.kept.set("device", deviceToken, DEVICE_TTL);
    return { ...signedIn, deviceToken };
  } catch (error) {
    const reason = error instanceof DomainError ? error.reason : undefined;
    // What was not compared, or was right but for the code that is still to come, is no guess.
    if (reason === undefined || !REFUSALS.includes(reason)) await attempt.giveBack();
    else {
      const lasting = outlasting(ctx);
      accountId ??= await accountTried(lasting, login);
      await ctx.audit.record(lasting, { type: "sign_in.failed", accountId, detail: { method: "secret", reason } });
    }
    throw error;
  }
}
