import type { Ports, SignIns } from "../context.js";
import { lossesOf, onRevoked, revokeAll, tellRights } from "../domains/auth/index.js";

/** What the house may know of sign-ins, from the domain that makes them. */
export function signInsOf(ports: () => Ports): SignIns {
  return {
    endAll: revokeAll,
    rightsChanged: tellRights,
    onLoss: (caller, listener) => onRevoked(ports(), caller, listener),
    async lossesOf(callers) {
      const { database } = ports();
      const losses = await lossesOf(callers.map((caller) => ({ caller, database })));
      return new Map([...losses].map(([{ caller }, loss]) => [caller, loss]));
    },
  };
}
