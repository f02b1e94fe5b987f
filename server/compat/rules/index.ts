import type { CompatRule } from "../rule.js";
import { accountRules } from "./accounts.js";
import { authRules } from "./auth.js";
import { connectionRules } from "./connections.js";
import { counterRules } from "./counters.js";
import { historyRules } from "./history.js";
import { messageRules } from "./messages.js";
import { systemRules } from "./system.js";

/** Every path of the predecessor that is answered. A domain adds its own file here. */
export const compatRules: readonly CompatRule[] = [
  ...systemRules,
  ...authRules,
  ...accountRules,
  ...connectionRules,
  ...messageRules,
  ...counterRules,
  ...historyRules,
];
