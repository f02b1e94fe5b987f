import type { Manifest } from "../../manifest.js";
import { callerOfCookie, callerOfToken } from "./callers.js";
import { authHandler } from "./handler.js";
import { pruneSignIns } from "./jobs.js";
import { eraseTokens } from "./revoke.js";
import { callerOfSignature } from "./signature.js";

export { isSignedIn, signedOut } from "./callers.js";
export { onRevoked } from "./revocation.js";
export { offerSetup } from "./service.js";

export const authDomain: Manifest = {
  name: "auth",
  services: [authHandler],
  authenticator: { token: callerOfToken, cookie: callerOfCookie, signature: callerOfSignature },
  erase: eraseTokens,
  jobs: [pruneSignIns],
};
