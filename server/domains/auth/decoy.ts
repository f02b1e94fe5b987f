import type { InstanceKey, SealUse } from "../../kernel/instance-key.js";

/** What a login or key that is nobody's is checked with, so that its refusal costs as much as that of a wrong digest. */
export const NOBODYS_SECRET = "nobody";

const NOBODY = "0".repeat(32);

const decoys = new WeakMap<InstanceKey, Map<SealUse, Buffer>>();

/** A secret of nobody, sealed like a real one and made once. */
export function decoySeal(key: InstanceKey, use: SealUse): { sealed: Buffer; boundTo: string } {
  const made = decoys.get(key) ?? new Map<SealUse, Buffer>();
  decoys.set(key, made);
  const sealed = made.get(use) ?? key.seal(use, NOBODYS_SECRET, NOBODY);
  made.set(use, sealed);
  return { sealed, boundTo: NOBODY };
}
