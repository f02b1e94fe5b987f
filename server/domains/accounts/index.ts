import type { Manifest } from "../../manifest.js";
import { eraseJob } from "./erase.js";
import { accountHandler } from "./handler.js";

export { accounts } from "./schema.js";
export {
  checkSecret,
  fetchSigner,
  isSecretKept,
  prepareSecret,
  replaceSecret,
  type ShownSecret,
  type Signer,
} from "./secret.js";
export { callerAccount, fetchAccount, hasAdmin, makeAccount } from "./service.js";
export { type AccountRow, accountWithMark, accountWithSecret, existingAccount } from "./store.js";
export { toAccount } from "./wire.js";

export const accountsDomain: Manifest = { name: "accounts", services: [accountHandler], jobs: [eraseJob] };
