import type { Ctx } from "../../context.js";
import { type KeyStatus, keyStatus } from "../auth/index.js";

export function getInfo(ctx: Ctx): { name: string; version: string; features: string[] } {
  const features = ctx.settings.accounts.openRegistration ? ["open_registration"] : [];
  return { name: "backstay", version: ctx.settings.version, features };
}

export function getKeyStatus(ctx: Ctx): Promise<KeyStatus> {
  return keyStatus(ctx);
}
