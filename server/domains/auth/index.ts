import type { Manifest } from "../../manifest.js";
import { forgetAnonymous } from "./anonymous.js";
import { pruneAudit } from "./audit.js";
import { callerOfCookie, callerOfToken } from "./callers.js";
import { authHandler } from "./handler.js";
import { exportSignIns } from "./handler-export.js";
import { pruneSignIns } from "./jobs.js";
import { isKnownProof } from "./known-proofs.js";
import { sendCodeJob } from "./mail-jobs.js";
import { resealSecrets } from "./reseal.js";
import { eraseTokens } from "./revoke.js";
import { callerOfSignature } from "./signature.js";

export { findFlow } from "./oauth-flow.js";
export { type KeyStatus, keyStatus, resealSoon } from "./reseal.js";
export { onRevoked } from "./revocation.js";
export { revokeAll, tellRights } from "./revoke.js";
export { offerSetup } from "./service.js";
export { lossesOf } from "./standing.js";

export const authDomain: Manifest = {
  name: "auth",
  services: [authHandler],
  authenticator: {
    token: callerOfToken,
    cookie: callerOfCookie,
    signature: callerOfSignature,
    isKnown: isKnownProof,
  },
  erase: eraseTokens,
  export: exportSignIns,
  jobs: [pruneAudit, pruneSignIns, resealSecrets, forgetAnonymous, sendCodeJob],
};
