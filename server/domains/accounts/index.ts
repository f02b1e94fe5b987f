import { goesWithAccount, type Manifest } from "../../manifest.js";
import { tellAddedJob } from "./added-mail.js";
import { eraseJob } from "./erase.js";
import { accountHandler } from "./handler.js";
import { exportOwn } from "./handler-export.js";
import { tellReplacedJob } from "./replaced-address.js";

export { submitAdded } from "./added-mail.js";
export { foldLogin } from "./login.js";
export {
  makeOutsideAccount,
  type OutsideIdentity,
  outsideDetail,
  outsideLabel,
  outsideSubject,
} from "./outside-identity.js";
export { removeAccount } from "./remove-account.js";
export { changeRole, fetchRoles } from "./rights.js";
export { accounts, identities } from "./schema.js";
export {
  checkNewSecret,
  checkSecret,
  fetchMarks,
  fetchSigner,
  prepareSecret,
  replaceSecret,
  type ShownSecret,
  type Signer,
  signerSubject,
  voidSignatures,
} from "./secret.js";
export {
  batchGetAccounts,
  callerAccount,
  fetchAccount,
  freshAccount,
  hasAdmin,
  makeAccount,
  readAccount,
  resolveAccountId,
} from "./service.js";
export { type AccountRow, accountNamed, existingAccount } from "./store.js";
export { accountWithMark, accountWithSecret } from "./store-secret.js";
export { unverifyEmail } from "./unverify-email.js";
export {
  foldEmail,
  hashReset,
  makeAnonymous,
  resetSecretTo,
  upgradeToLogin,
  verifyEmail,
} from "./ways-in.js";
export { toAccount } from "./wire.js";

export const accountsDomain: Manifest = {
  name: "accounts",
  services: [accountHandler],
  jobs: [eraseJob, tellReplacedJob, tellAddedJob],
  erase: goesWithAccount,
  export: exportOwn,
};
