import type { Manifest } from "../../manifest.js";
import { accountHandler } from "./handler.js";

export { accounts } from "./schema.js";
export { callerAccount, checkSecret, fetchAccount, hasAdmin, makeAccount } from "./service.js";
export { type AccountRow, existingAccount } from "./store.js";
export { toAccount } from "./wire.js";

export const accountsDomain: Manifest = { name: "accounts", services: [accountHandler] };
