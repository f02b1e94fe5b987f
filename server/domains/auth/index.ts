import type { Manifest } from "../../manifest.js";
import { authHandler } from "./handler.js";
import { authenticate, eraseTokens } from "./service.js";
import { pruneGrants } from "./store.js";

export { onRevoked } from "./revocation.js";
export { isSignedIn, offerSetup } from "./service.js";

export const authDomain: Manifest = {
  name: "auth",
  services: [authHandler],
  authenticate,
  erase: eraseTokens,
  prune: async (ports) => {
    await pruneGrants({ db: ports.database }, { at: ports.clock.now() });
  },
};
