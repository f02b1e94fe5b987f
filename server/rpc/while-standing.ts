import type { Ports } from "../context.js";
import { isOver, type Loss } from "../kernel/caller.js";
import { DomainError } from "../kernel/errors.js";
import type { Call } from "./call.js";

/** Between two looks at the clock, in milliseconds. */
const LOOK_MS = 250;

/**
 * Runs what a stream says for as long as its caller's sign-in, key, secret and roles stand, also while its reader takes nothing.
 * Rejects within a second of their end with TOKEN_REVOKED, TOKEN_EXPIRED or CONFLICT, and ends the call.
 */
export async function whileStanding(ports: Ports, call: Call, run: () => Promise<void>): Promise<void> {
  const { caller } = call;
  if (caller.kind === "anonymous") return run();
  const forget = ports.signIns.onLoss(caller, (loss) => call.abort(lost(loss)));
  const look = setInterval(() => {
    if (isOver(caller, ports.clock.now())) call.abort(new DomainError("TOKEN_EXPIRED"));
  }, LOOK_MS);
  try {
    // Whoever was signed out between his admission and here is told nothing either: nobody listened for him yet.
    const loss = (await ports.signIns.lossesOf([caller])).get(caller);
    if (loss !== undefined) throw lost(loss);
    call.signal.throwIfAborted();
    await call.within(run());
  } finally {
    forget();
    clearInterval(look);
  }
}

function lost(loss: Loss): DomainError {
  if (loss === "sign-in") return new DomainError("TOKEN_REVOKED");
  // He may come again with what he may do then.
  return new DomainError("CONFLICT", "The caller has just lost a role.", { retryAfterMs: 1_000 });
}
