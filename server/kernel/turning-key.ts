import type { InstanceKey } from "./instance-key.js";

/** How long, in milliseconds, something may still be made under a secret after another has taken its place. */
const FRESH = 1_000;

/**
 * A ring that may turn while the process runs. `look` answers it as it is now, cheaply: each second, and whenever something is of
 * no secret that is known. So what another process has made under a newer secret is never taken for a forgery.
 */
export function turningKey(look: () => InstanceKey): InstanceKey {
  let ring = look();
  let lookedAt = performance.now();
  const now = (): InstanceKey => {
    lookedAt = performance.now();
    ring = look();
    return ring;
  };
  const recent = (): InstanceKey => (performance.now() - lookedAt > FRESH ? now() : ring);
  /** Asks a ring that was looked at lately, and one that has turned meanwhile before the answer is no. */
  const ask = <T>(question: (ring: InstanceKey) => T | undefined): T | undefined => {
    const asked = recent();
    const answer = question(asked);
    if (answer !== undefined) return answer;
    const turned = now();
    return turned === asked ? undefined : question(turned);
  };
  return {
    get fingerprint() {
      return now().fingerprint;
    },
    get previous() {
      return now().previous;
    },
    get sealPrefix() {
      return now().sealPrefix;
    },
    mac: (use, data) => recent().mac(use, data),
    macs: (use, data) => now().macs(use, data),
    verifies: (use, data, mac) => ask((key) => key.verifies(use, data, mac) || undefined) ?? false,
    seal: (use, plain, boundTo) => recent().seal(use, plain, boundTo),
    open: (use, sealed, boundTo) => ask((key) => key.open(use, sealed, boundTo)),
  };
}
