import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { type CompatRule, compatRule } from "../rule.js";

export const systemRules: readonly CompatRule[] = [
  compatRule("/ping", SystemService.method.ping, { ask: () => ({}), reply: () => ({}) }),
];
