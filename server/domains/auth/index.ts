import type { Manifest } from "../../manifest.js";
import { callerOfCookie, callerOfToken } from "./callers.js";
import { authHandler } from "./handler.js";
import { eraseTokens } from "./revoke.js";
import { callerOfSignature } from "./signature.js";
import { pruneGrants, pruneSignatures } from "./store.js";

export { isSignedIn, signedOut } from "./callers.js";
export { onRevoked } from "./revocation.js";
export { offerSetup } from "./service.js";

export const authDomain: Manifest = {
  name: "auth",
  services: [authHandler],
  authenticator: { token: callerOfToken, cookie: callerOfCookie, signature: callerOfSignature },
  erase: eraseTokens,
  prune: async (ports) => {
    const at = ports.clock.now();
    await pruneGrants({ db: ports.database }, { at });
    await pruneSignatures({ db: ports.database }, { at });
  },
};
