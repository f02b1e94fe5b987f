import type { Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import * as store from "./store.js";

/** How far apart the clocks of nodes may be: for as long a used signature is remembered past its end. */
const CLOCK_MARGIN = 5 * 60_000;

/** Takes a signature out of use, on every node and for good. Throws SIGNATURE_REPLAYED when it was used before. */
export async function useOnce(ports: Ports, use: { digest: Buffer; endsAt: number }): Promise<void> {
  const row = { digest: use.digest, expiresAt: new Date(use.endsAt + CLOCK_MARGIN) };
  const taken = await store.useSignature({ db: ports.database }, row);
  if (taken.length === 0) throw new DomainError("SIGNATURE_REPLAYED");
}
