import { hash } from "node:crypto";
import type { Ports } from "../../context.js";
import { addressKey } from "../../kernel/address.js";
import type { ShownProof } from "../../kernel/caller.js";
import { Recent } from "./recent.js";

/** For so long, in milliseconds, what was right may be looked up, whatever else its address is refused for. */
const KNOWN_FOR = 15 * 60_000;
/** Most proofs that a node remembers. */
const MOST = 50_000;

/** When what was last right on this node, by hashes. */
const memories = new WeakMap<Ports["audit"], Recent>();

/**
 * Whether this node has found a proof right, or has given it out, a short while ago. It proves nothing: what is known is looked up
 * as ever, so that what was revoked is refused, and forgotten here.
 */
export function isKnownProof(ports: Ports, shown: ShownProof): boolean {
  const since = ports.clock.now().getTime() - KNOWN_FOR;
  return memoryOf(ports).timeOf(nameOf(shown)) >= since;
}

/** Says that a proof is right. */
export function noteRight(ports: Ports, shown: ShownProof): void {
  if (ports.settings.limitRates) memoryOf(ports).note(nameOf(shown), ports.clock.now().getTime());
}

/** Says that a proof is not right, or not any more. */
export function noteWrong(ports: Ports, shown: ShownProof): void {
  if (ports.settings.limitRates) memoryOf(ports).forget(nameOf(shown));
}

/** A key's id is no secret: whoever signs with it elsewhere takes nothing from whoever does so rightly here. */
function nameOf(shown: ShownProof): string {
  const text = shown.by === "key" ? `${addressKey(shown.address)} ${shown.keyId}` : shown.text;
  return hash("sha256", `${shown.by} ${text}`, "base64url");
}

function memoryOf({ audit }: Ports): Recent {
  const memory = memories.get(audit) ?? new Recent(MOST);
  memories.set(audit, memory);
  return memory;
}
