import type { Ports } from "../../context.js";
import * as store from "./store-devices.js";

/** How old what is written of a sign-in's last use may be, in milliseconds. */
const SEEN_EVERY = 5 * 60_000;

/** Notes that a sign-in was used. Nobody waits for it, and when it fails the next use is noted. */
export function noteSeen(ports: Ports, familyId: string, seenAt: Date | null): void {
  const at = ports.clock.now();
  const before = new Date(at.getTime() - SEEN_EVERY);
  if (seenAt !== null && seenAt > before) return;
  store.touchDevice({ db: ports.database }, { id: familyId, at, before }).catch((error: Error) => {
    ports.log.debug({ device: familyId, error: error.message }, "the use of a sign-in was not noted");
  });
}
